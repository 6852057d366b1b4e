"""What Plotly draws of many runs: learning curves, and parallel coordinates of what differs against the score."""

from __future__ import annotations

import math
from html import escape
from typing import Any

from src.files.history import Row, history_of, readable
from src.reports.compare import Comparison
from src.reports.records import Record, text
from src.run.scores import REPEATS

COLOURED = 6  # best runs whose curves have a colour and a name
GREY = 90  # further ones
MOST_POINTS = 200  # of a curve
LARGEST = 20_000_000  # bytes of a history
MOST_TICKS = 12
WORST_TO_BEST = [[0, "#f5b26b"], [0.6, "#d66ba0"], [1, "#1f6fff"]]
LAYOUT: dict[str, Any] = {  # the page says what colour texts have: it may be light or dark
    "template": "none",
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"family": "system-ui, sans-serif"},
    "margin": {"l": 55, "r": 15, "t": 40, "b": 45},
}
AXIS = {"gridcolor": "rgba(128,128,128,.25)", "linecolor": "rgba(128,128,128,.6)", "zeroline": False}


def library() -> str:
    """Plotly's JavaScript."""
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()


def ranked(comparison: Comparison) -> list[Record]:
    """The runs that have a score and were not pruned, the best first."""
    scored = [r for r in comparison.records if not r.is_pruned and comparison.score in r.metrics]
    larger = comparison.is_larger_better(comparison.score)
    return sorted(scored, key=lambda record: record.metrics[comparison.score], reverse=larger)


def curves(comparison: Comparison) -> str:
    """The score and the loss of validation from epoch to epoch; of a run without a score, those so far."""
    import plotly.graph_objects as go

    rest = [r for r in comparison.records if r.is_pruned or comparison.score not in r.metrics]
    shown = [(record, rows) for record in [*ranked(comparison), *rest][: COLOURED + GREY] if (rows := _history(record))]
    known = {name for _, rows in shown for row in rows for name in row}
    measured = comparison.score.replace("test/", "val/")
    sides = []
    for metric in [name for name in dict.fromkeys([measured, "val/loss", "train/loss"]) if name in known][:2]:
        figure = go.Figure(layout={**LAYOUT, "title": f"{escape(metric)} by epoch", "xaxis": AXIS, "yaxis": AXIS})
        for number in reversed(range(len(shown))):  # the best is drawn last, above the others
            record, rows = shown[number]
            points = [(row["epoch"], row[metric]) for row in rows if metric in row]
            if points:
                figure.add_trace(_curve(points, record, comparison, number))
        heights = [row[metric] for _, rows in shown for row in rows if metric in row]
        scale(figure, heights)
        figure.update_layout(legend={"orientation": "h", "y": -0.1, "traceorder": "reversed"}, hovermode="closest")
        sides.append(drawn(figure))
    return f"<h2>Learning curves</h2><div class='side'>{''.join(sides)}</div>" if sides else ""


def parallel_coordinates(comparison: Comparison) -> str:
    """A line for each run with a score through the settings in which runs differ, the best ones blue."""
    import plotly.graph_objects as go

    runs, keys = ranked(comparison), [key for key in comparison.differing if key not in REPEATS]
    if len(runs) < 2 or not keys:
        return ""
    runs.reverse()  # the best is drawn last, above the others
    dimensions = [_dimension(key, [record.settings.get(key) for record in runs]) for key in keys]
    scores = [record.metrics[comparison.score] for record in runs]
    dimensions.append({"label": escape(comparison.score), "values": scores})
    line = {"color": list(range(len(runs))), "colorscale": WORST_TO_BEST}
    figure = go.Figure(go.Parcoords(line=line, dimensions=dimensions), layout=LAYOUT)
    figure.update_layout(margin={"l": 80, "r": 60, "t": 60, "b": 30})
    inner = f"<div style='min-width: {max(20, 9 * len(dimensions))}rem'>{drawn(figure)}</div>"
    return f"<h2>What differs, and the score: blue is best</h2><div class='wide'>{inner}</div>"


def _history(record: Record) -> list[Row]:
    file = history_of(record.folder)
    if not file.is_file() or file.stat().st_size > LARGEST:
        return []
    rows, _ = readable(file)
    return rows[:: math.ceil(len(rows) / MOST_POINTS) or 1]


def name_of(record: Record, comparison: Comparison) -> str:
    """By what it differs."""
    values = {key.rpartition(".")[2]: record.settings.get(key) for key in comparison.differing}
    words = [f"{name}={text(value)}" for name, value in values.items() if value is not None]
    return escape(" ".join(words) or text(record.folder.name))


def _curve(points: list[tuple[float, float]], record: Record, comparison: Comparison, rank: int) -> dict[str, Any]:
    """A line; a point where there is one epoch; dots for a pruned run."""
    x, y = zip(*points, strict=True)
    mode, dash = "lines" if len(x) > 1 else "markers", "dot" if record.is_pruned else "solid"
    curve: dict[str, Any] = {"type": "scatter", "x": x, "y": y, "name": name_of(record, comparison), "mode": mode}
    if rank >= COLOURED:
        grey = {"color": "rgba(128,128,128,.35)", "width": 1, "dash": dash}
        return {**curve, "line": grey, "showlegend": False}
    return {**curve, "line": {"width": 2, "dash": dash}}


def _dimension(key: str, values: list[Any]) -> dict[str, Any]:
    """An axis: of numbers (where they span magnitudes, of their logarithms), or of texts in their order."""
    label = escape(key)
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        different = sorted(set(values))
        is_log = spans_magnitudes(different)
        places = [math.log10(value) if is_log else value for value in different]
        ticks = {"tickvals": places, "ticktext": list(map(text, different))} if len(different) <= MOST_TICKS else {}
        if is_log and not ticks:
            label = f"log10 {label}"
        return {"label": label, "values": [math.log10(v) if is_log else v for v in values], **ticks}
    words = list(map(text, values))
    different = sorted(set(words))
    ticks = {"tickvals": list(range(len(different))), "ticktext": different}
    return {"label": label, "values": [different.index(word) for word in words], **ticks}


def scale(figure: Any, heights: list[float]) -> None:
    """A logarithmic axis where the heights span magnitudes, with 1, 2, 5, 10 where there is room for them."""
    if spans_magnitudes(heights):
        figure.update_yaxes(type="log", dtick="D2" if max(heights) / min(heights) < 3000 else 1)


def spans_magnitudes(values: list[float]) -> bool:
    return min(values) > 0 and max(values) / min(values) >= 30


def drawn(figure: Any) -> str:
    """A figure as a part of the page."""
    config = {"displayModeBar": False, "responsive": True}
    return figure.to_html(full_html=False, include_plotlyjs=False, config=config, default_height="26rem")
