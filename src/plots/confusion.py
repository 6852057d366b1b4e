"""plots/confusion.png: which classes are taken for which."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from src.datamodule import DataModule
from src.learning.devices import of_all_devices
from src.module import SupervisedModule
from src.plots.names import in_two_lines, short, short_names
from src.plots.picture import Picture
from src.plots.sheet import laid_out, sheet, styled

MOST = 100  # classes that are all shown
SHOWN = 30  # of more: those with the most mistakes
NUMBERED = 40  # with more classes the numbers in the cells would run into one another
OTHERS = "all others"


class Confusion(Picture):
    """Counts of examples: a row for each true class, a column for each predicted one; coloured by share of the row."""

    name = "confusion"

    def __init__(self) -> None:
        self.counts: Tensor | None = None

    def add(self, x: Tensor, truth: Tensor, predictions: Tensor) -> None:
        classes = predictions.shape[1]
        cells = truth * classes + predictions.argmax(dim=1)
        counts = torch.bincount(cells, minlength=classes**2).reshape(classes, classes).cpu()
        self.counts = counts if self.counts is None else self.counts + counts

    @styled()
    def draw(self, module: SupervisedModule, data: DataModule, split: str, metrics: dict[str, float]) -> Figure:
        classes = data.description.classes or []
        seen = [counts for counts in of_all_devices(self.counts) if counts is not None]
        counts = torch.stack(seen).sum(dim=0).numpy()
        self.counts = None
        said = f"accuracy {metrics[f'{split}/accuracy']:.3f} on {counts.sum():,} {split} examples"
        shown = ""
        if len(classes) > MOST:
            shown = f"\nthe {SHOWN} of {len(classes)} classes with the most mistakes"
            classes, counts = _most_confused(classes, counts)
        side = min(max(3.6, 0.5 * len(classes)), 0.3 * NUMBERED)
        figure, [axes] = sheet(side, side)
        axes.grid(False)
        figure.suptitle(f"{short(data.description.target)}: {said}{shown}")
        axes.set_title("coloured by share of the true class", fontsize="small")
        _draw(axes, counts, 72 * side / len(classes))
        _name(axes, classes, 72 * side / len(classes))
        return laid_out(figure)


def _draw(axes: Any, counts: np.ndarray, cell: float) -> None:
    """Coloured cells with numbers in them; `cell`: the size of one in points."""
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if len(counts) <= NUMBERED:
        size = min(10, 0.8 * cell / (0.64 * len(str(counts.max()))))
        for row, column in np.argwhere(counts):
            color = "white" if shares[row, column] > 0.5 else "black"
            number = str(counts[row, column])
            axes.text(column, row, number, ha="center", va="center_baseline", color=color, fontsize=size)


def _name(axes: Any, classes: list[str], cell: float) -> None:
    """Rows and columns by their classes, as large as there is room."""
    names = short_names(classes, 36)
    is_wide, is_high = cell > 20, cell > 34
    if is_high:
        names = [in_two_lines(name) for name in names]
    longest = max(len(line) for name in names for line in name.split("\n"))
    size = min(10, 0.9 * cell)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.set_xticks(range(len(names)), names, fontsize=size)
    if 0.65 * size * longest > cell:
        va = "top" if is_wide else "center"
        for label in axes.get_xticklabels():
            label.set(rotation=45 if is_wide else 90, ha="right", va=va, rotation_mode="anchor")
    axes.set(xlabel="predicted", ylabel="true")


def _most_confused(classes: list[str], counts: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The classes with the most mistakes, as true and predicted, in their order; all others are one."""
    mistakes = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    chosen = np.sort(np.argsort(-mistakes, kind="stable")[:SHOWN])
    group = np.full(len(classes), SHOWN)
    group[chosen] = np.arange(SHOWN)
    merged = np.zeros((SHOWN + 1, SHOWN + 1), counts.dtype)
    np.add.at(merged, (group[:, None], group[None, :]), counts)
    return [*(classes[k] for k in chosen), OTHERS], merged
