"""A picture is a sheet of panels, of a size in inches each: around them it grows by the room that the texts need.

So nothing is cut off, and no panel is squeezed by a long name; in one pass, where matplotlib's constrained layout
draws a picture three times.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure  # not pyplot: no window, no state shared with a notebook

DPI = 120
GAP = 0.12  # inches between texts, and at the edges
STYLE: dict[str, Any] = {
    "text.parse_math": False,  # $ is a letter of a name
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.7",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titlesize": "medium",
    "axes.titley": 1.0,  # else every drawing looks for what could be in its way
    "figure.titlesize": "large",
    "grid.color": "0.9",
    "legend.frameon": False,
    "xtick.bottom": False,  # the grid shows where
    "ytick.left": False,
}


@contextmanager
def styled() -> Iterator[None]:
    """Inside it figures are made and drawn in the style of the project's pictures."""
    with matplotlib.rc_context(STYLE):
        yield


def sheet(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Any]]:
    """A figure, and its panels of this size in inches, row by row."""
    figure = Figure(figsize=(columns * width, rows * height), dpi=DPI)
    figure.subplots_adjust(0, 0, 1, 1, 0, 0)
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def laid_out(figure: Figure) -> Figure:
    """The figure of `sheet` once all is drawn, with room for its texts, and what it is about above the panels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    first: Any = figure.axes[0]
    rows, columns = first.get_subplotspec().get_gridspec().get_geometry()
    width, height = (size / count for size, count in zip(figure.get_size_inches(), (columns, rows), strict=True))
    margins = np.zeros((rows, columns, 4))  # inches at the left, the bottom, the right, the top
    for place, axes in enumerate(figure.axes):
        margins[divmod(place, columns)] = _margins(axes, renderer)
    left, right = (margins[:, :, side].max(axis=0) + GAP for side in (0, 2))
    bottom, top = (margins[:, :, side].max(axis=1) + GAP for side in (1, 3))
    total = columns * width + (left + right).sum()
    head = _head(figure, renderer, total)
    above = rows * height + (bottom + top).sum()
    figure.set_size_inches(total, above + sum(size for _, size in head))
    size = figure.get_size_inches()
    for place, axes in enumerate(figure.axes):
        row, column = divmod(place, columns)
        x = left[: column + 1].sum() + right[:column].sum() + column * width
        y = above - top[: row + 1].sum() - bottom[:row].sum() - (row + 1) * height
        axes.set_position((x / size[0], y / size[1], width / size[0], height / size[1]))
    below = size[1]
    for artist, room in head:
        _put(artist, GAP / size[0], (below - GAP) / size[1])
        below -= room
    return figure


def _margins(axes: Any, renderer: Any) -> list[float]:
    """Inches that the texts around a panel take at its left, bottom, right and top."""
    boxes = [_measured(axes, axis, renderer) for axis in (axes.xaxis, axes.yaxis)] if axes.axison else []
    boxes += [axes.title.get_window_extent(renderer), axes._left_title.get_window_extent(renderer)]
    inside, outside = axes.bbox, [box for box in boxes if box is not None and box.width > 0]
    if not outside:
        return [0.0] * 4
    ends = [
        inside.x0 - min(box.x0 for box in outside),
        inside.y0 - min(box.y0 for box in outside),
        max(box.x1 for box in outside) - inside.x1,
        max(box.y1 for box in outside) - inside.y1,
    ]
    return [max(0.0, end) / DPI for end in ends]


def _measured(axes: Any, axis: Any, renderer: Any) -> Any:
    """What an axis with its texts takes; its label stays where it is, since every drawing would seek its place anew."""
    box = axis.get_tightbbox(renderer)
    place = axis.label.get_transform().transform(axis.label.get_position())
    axis.set_label_coords(*axes.transAxes.inverted().transform(place))
    return box


def _head(figure: Any, renderer: Any, width: float) -> list[tuple[Any, float]]:
    """What stands above all panels, the title first, each with its height in inches; a long title in several lines."""
    artists, head = [figure._suptitle, *figure.legends], []
    for artist in filter(None, artists):
        box = artist.get_window_extent(renderer)
        room = width - 2 * GAP
        if artist is figure._suptitle and box.width / DPI > room:
            letters = max(map(len, artist.get_text().split("\n")))
            lines = artist.get_text().split("\n")
            fit = max(10, math.floor(letters * room / (box.width / DPI)))
            artist.set_text("\n".join(textwrap.fill(line, fit) for line in lines))
            box = artist.get_window_extent(renderer)
        head.append((artist, box.height / DPI + GAP))
    return head


def _put(artist: Any, x: float, y: float) -> None:
    """Its upper left corner, in shares of the figure."""
    if hasattr(artist, "set_bbox_to_anchor"):
        artist.set_loc("upper left")
        artist.set_bbox_to_anchor((x, y))
        artist.borderaxespad = 0
    else:
        artist.set(x=x, y=y, ha="left", va="top")


def save(figure: Figure, path: Path) -> None:
    """As a PNG file. `Figure.savefig` would lay it out twice, and take a quarter longer."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.print_png(path, pil_kwargs={"compress_level": 1})
