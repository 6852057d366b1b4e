"""data.png: a table's target, and the columns that tell most about it."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from src.datamodule import DataModule
from src.datasets.tables.columns.column import Column
from src.datasets.tables.relevance import relevance
from src.datasets.tables.table import Table
from src.plots.names import short, short_names
from src.plots.sheet import laid_out, sheet, styled
from src.plots.ticks import few_ticks

ROWS = 4000  # of training that are looked at
COLUMNS = 2000  # that are looked at
PANELS, ACROSS, TARGETS = 16, 4, 4  # in all, in a row, at most for the targets
SHOWN = 6  # classes, or categories, by name; the rarer are one
COLOURS = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb"]
REST = "others"


class Groups:
    """Classes or categories of some rows: the most frequent, and the rest together.

    Args:
        numbers: (N,), -1 for none.
    """

    def __init__(self, numbers: np.ndarray, names: list[str]) -> None:
        counts = np.bincount(numbers[numbers >= 0], minlength=len(names))
        present = int((counts > 0).sum())
        often = np.argsort(-counts, kind="stable")[: SHOWN if present > SHOWN + 1 else present]
        self.chosen = np.sort(often)
        self.place = np.full(len(names) + 1, len(self.chosen))
        self.place[self.chosen] = np.arange(len(self.chosen))
        self.place[-1] = -1
        self.numbers = self.place[numbers]
        rest = [REST] if len(self.chosen) < present else []
        self.names = [*short_names([names[k] for k in self.chosen], 16), *rest]


@styled()
def draw_columns(data: DataModule) -> Figure:
    """A panel for each target, and one for each of the columns that tell most about it, of training rows alone."""
    table = cast(Table, data.dataset)
    training = np.sort(np.asarray(cast(Any, data.splits["train"]).indices))
    looked_at = training[np.linspace(0, len(training) - 1, min(len(training), ROWS)).round().astype(int)]
    columns, classes = table.numeric.feature_columns[:COLUMNS], table.classes
    rows, y = table.numeric.features[looked_at][:, :COLUMNS], table.y.numpy()[looked_at]
    shares = relevance(columns, rows, y, len(classes) if classes else None, table.codes)
    targets = table.targets[:TARGETS]
    best = np.argsort(-shares.max(axis=1), kind="stable")[: PANELS - len(targets)]
    count = len(targets) + len(best)
    figure, panels = sheet(2.5, 1.9, -(-count // ACROSS), min(count, ACROSS))
    _draw_targets(panels, data, table, y, targets)
    colours: dict[str, str] = {}
    for axes, j in zip(panels[len(targets) :], best, strict=False):
        k = int(shares[j].argmax())
        colours |= _draw_column(axes, columns[j], rows[:, j], y if classes else y[:, k], _classes_of(table, y, k))
        missing = np.isnan(rows[:, j]).mean()
        about = f" of {short(table.targets[k], 12)}" if len(table.targets) > 1 else ""
        said = [f"tells {max(shares[j, k], 0):.0%}{about}"]
        said += [f"{missing:.0%} missing" if missing >= 0.01 else "few missing"] if missing else []
        axes.set_title(f"{short(columns[j].name, 28)}\n{', '.join(said)}", fontsize="small")
    for axes in panels[count:]:
        axes.set_axis_off()
    figure.suptitle(_headline(table, len(best), len(looked_at), len(training)))
    if colours:
        figure.legend(handles=[Patch(color=colour, label=name) for name, colour in colours.items()], ncols=len(colours))
    return laid_out(figure)


def _headline(table: Table, shown: int, looked_at: int, training: int) -> str:
    others = len(table.numeric.feature_columns) - shown
    which = f"the {shown} of {shown + others} columns that tell most about it" if others else "its columns"
    rows = f"{looked_at:,} training rows" if looked_at == training else f"{looked_at:,} of {training:,} training rows"
    return f"{short(table.target)} in {short(table.numeric.name)}, and {which}, each by itself: {rows}"


def _classes_of(table: Table, y: np.ndarray, k: int) -> Groups | None:
    """The classes of the rows; of labels, whether one applies. None of values."""
    if table.classes is not None:
        return Groups(y, table.classes)
    if np.isin(y, (0, 1)).all():
        return Groups(y[:, k].astype(int), ["no", "yes"])
    return None


def _draw_targets(panels: list[Any], data: DataModule, table: Table, y: np.ndarray, targets: list[str]) -> None:
    """How often each class comes, by split; or how the values of training are spread."""
    for k, (axes, name) in enumerate(zip(panels, targets, strict=False)):
        axes.set_title(f"{short(name, 28)}\n", fontsize="small", fontweight="bold")
        if table.classes is None:
            axes.hist(y[:, k].astype("float64"), bins=30, color="0.4")
            axes.set_ylabel("rows")
            few_ticks(axes.xaxis, 4)
            few_ticks(axes.yaxis, 4)
            continue
        groups = Groups(y, table.classes)
        shown = len(groups.chosen)
        left = np.zeros(shown)
        for split, shade in zip(("train", "val", "test"), ("0.3", "0.55", "0.8"), strict=True):
            indices = np.asarray(cast(Any, data.splits[split]).indices)
            counts = np.bincount(groups.place[table.y.numpy()[indices]], minlength=shown)[:shown]
            axes.barh(range(shown), counts, left=left, color=shade, label=split)
            left = left + counts
        _name_rows(axes, groups.names[:shown])
        others = f"; {len(table.classes) - shown} more classes" if shown < len(table.classes) else ""
        axes.set_xlabel(f"rows: train, val, test{others}")
        few_ticks(axes.xaxis, 4)


def _draw_column(
    axes: Any, column: Column, values: np.ndarray, y: np.ndarray, classes: Groups | None
) -> dict[str, str]:
    """A column against the target; returns the colours that stand for classes."""
    known = ~np.isnan(values)
    values, y = values[known], y[known]
    groups = _categories(column, values)
    colours = dict(zip(classes.names, COLOURS, strict=False)) if classes else {}
    if groups is not None and classes is not None:
        _draw_shares(axes, groups, classes.numbers[known], colours)
    elif groups is not None:
        _draw_spreads(axes, groups, y)
    elif classes is not None:
        _draw_densities(axes, values, classes.numbers[known], colours)
    else:
        size = np.clip(4000 / max(len(y), 1), 5, 30)
        axes.scatter(values, y, s=size, alpha=0.3 if size < 30 else 0.8, color=COLOURS[0], linewidths=0)
        few_ticks(axes.yaxis, 4)
    if groups is None:
        few_ticks(axes.xaxis, 4, days=column.kind == "date")
    return colours


def _categories(column: Column, values: np.ndarray) -> Groups | None:
    if column.kind == "category":
        return Groups(values.astype(int), list(column.categories))
    return Groups(values.astype(int), ["False", "True"]) if column.kind == "boolean" else None


def _draw_shares(axes: Any, groups: Groups, classes: np.ndarray, colours: dict[str, str]) -> None:
    """Of each category the shares of the classes."""
    counts = np.zeros((len(groups.names), len(colours)))
    np.add.at(counts, (groups.numbers, classes), 1)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    for k, colour in enumerate(colours.values()):
        axes.barh(range(len(shares)), shares[:, k], left=shares[:, :k].sum(axis=1), color=colour)
    _name_rows(axes, groups.names)
    axes.set_xlim(0, 1)
    few_ticks(axes.xaxis, 4, text=lambda values: [f"{value:.0%}" for value in values])


def _draw_spreads(axes: Any, groups: Groups, y: np.ndarray) -> None:
    """Of each category the middle of the target, where its middle half lies, and nine tenths of it."""
    for place in range(len(groups.names)):
        of_group = y[groups.numbers == place].astype("float64")
        if len(of_group):
            low, left, middle, right, high = np.quantile(of_group, [0.05, 0.25, 0.5, 0.75, 0.95])
            axes.hlines([place, place], [low, left], [high, right], colors=COLOURS[0], linewidth=[1, 5])
            axes.plot([middle], [place], "o", color="white", markersize=3)
    _name_rows(axes, groups.names)
    few_ticks(axes.xaxis, 4)


def _draw_densities(axes: Any, values: np.ndarray, classes: np.ndarray, colours: dict[str, str]) -> None:
    """Of each class how its values are spread, whatever its size."""
    edges = np.histogram_bin_edges(values, 24) if len(values) else np.linspace(0, 1, 25)
    for k, colour in enumerate(colours.values()):
        counts = np.histogram(values[classes == k], edges)[0]
        if counts.sum():
            axes.stairs(counts / counts.sum(), edges, color=colour, linewidth=1.5)
    few_ticks(axes.yaxis, 3, text=lambda values: [f"{value:.0%}" for value in values])


def _name_rows(axes: Any, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(False, axis="y")
