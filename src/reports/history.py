"""How a sweep went: the scores in the order in which its runs ended, and which settings they hang on."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import accumulate
from typing import Any

from src.reports.compare import Comparison
from src.reports.figures import AXIS, LAYOUT, drawn, name_of, scale
from src.reports.importances import importances, why_none

BLUE, ORANGE, GREY = "#1f6fff", "#e07b00", "#888"
MOST_BARS = 12


def course(comparison: Comparison) -> str:
    """Both figures, or why there is no second one; nothing for a single run."""
    if sum(comparison.score in record.metrics for record in comparison.records) < 2:
        return ""
    figures = [history(comparison), *([bars(comparison)] if importances(comparison) else [])]
    why = why_none(comparison)
    said = f"<p>{why}</p>" if why else ""
    return f"<h2>How it went</h2><div class='side'>{''.join(map(drawn, figures))}</div>{said}"


def history(comparison: Comparison) -> Any:
    """The score of each run, in the order of time; a pruned one has no part in the best so far."""
    import plotly.graph_objects as go

    metric = comparison.score
    figure = go.Figure(
        layout={**LAYOUT, "title": f"{escape(metric)}, run by run in time", "xaxis": AXIS, "yaxis": AXIS}
    )
    runs = sorted((r for r in comparison.records if metric in r.metrics), key=lambda record: record.ended)
    points = [(number, record.metrics[metric], record) for number, record in enumerate(runs, 1)]
    pruned, others = [p for p in points if p[2].is_pruned], [p for p in points if not p[2].is_pruned]
    for name, some, colour, symbol in (("pruned", pruned, ORANGE, "x"), ("each run", others, BLUE, "circle")):
        if some:
            x, y, records = zip(*some, strict=True)
            marker = {"color": colour, "symbol": symbol, "size": 8}
            named = [name_of(record, comparison) for record in records]
            figure.add_trace({**_trace(name, x, y), "mode": "markers", "marker": marker, "text": named})
    best = max if comparison.is_larger_better(metric) else min
    so_far = list(accumulate((score for _, score, _ in others), best))
    line = {"shape": "hv", "color": GREY}
    figure.add_trace({**_trace("the best so far", [p[0] for p in others], so_far), "mode": "lines", "line": line})
    scale(figure, [record.metrics[metric] for record in runs])
    figure.update_layout(legend={"orientation": "h", "y": -0.1}, hovermode="closest")
    return figure


def bars(comparison: Comparison) -> Any:
    """A bar for each setting, the longest above."""
    import plotly.graph_objects as go

    keys, shares = zip(*reversed([*importances(comparison).items()][:MOST_BARS]), strict=True)
    axis = {**AXIS, "range": [0, 1.15 * shares[-1]], "tickformat": ".0%"}
    figure = go.Figure(layout={**LAYOUT, "xaxis": axis, "yaxis": {**AXIS, "automargin": True}})
    figure.update_layout(title=f"Which settings decide {escape(comparison.score)}")
    bar = {"type": "bar", "orientation": "h", "width": 0.5, "marker": {"color": BLUE}}
    said = {"texttemplate": "%{x:.0%}", "textposition": "outside"}
    figure.add_trace({**bar, **said, "x": shares, "y": [f"{escape(key)} " for key in keys]})
    return figure


def _trace(name: str, x: Sequence[int], y: Sequence[float]) -> dict[str, Any]:
    return {"type": "scatter", "name": name, "x": x, "y": y}
