"""plots/predictions.png: the predictions of a regression against the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from src.console.numbers import shown
from src.datamodule import DataModule
from src.learning.devices import joined
from src.module import SupervisedModule
from src.plots.names import short
from src.plots.picture import Picture
from src.plots.sheet import laid_out, sheet, styled
from src.plots.ticks import few_ticks

MOST = 5000  # points; more make a cloud without a shape
PANELS = 6  # of several targets, in rows of three


class Predictions(Picture):
    """One panel a target; a perfect prediction lies on the diagonal."""

    name = "predictions"

    def __init__(self) -> None:
        self.points: list[tuple[Tensor, Tensor]] = []

    def add(self, x: Tensor, truth: Tensor, predictions: Tensor) -> None:
        if sum(len(y) for y, _ in self.points) < MOST:
            self.points.append((truth.float().cpu(), predictions.cpu()))

    @styled()
    def draw(self, module: SupervisedModule, data: DataModule, split: str, metrics: dict[str, float]) -> Figure:
        y, predictions = (part[:MOST] for part in joined(self.points))  # (N, K) each
        self.points = []
        columns = min(y.shape[1], 3)
        figure, panels = sheet(4.2, 4.2, -(-min(y.shape[1], PANELS) // columns), columns)
        said = f"R2 {shown(metrics.get(f'{split}/r2'))}, rmse {shown(metrics.get(f'{split}/rmse'))}"
        examples = f"{len(y)} {split} example{'s' if len(y) > 1 else ''}"
        figure.suptitle(f"{short(data.description.target)}, {examples}: {said}")
        for axes, name, true, predicted in zip(panels, data.description.targets, y.T, predictions.T, strict=False):
            _draw(axes, short(name, 30), true.numpy(), predicted.numpy())
        for axes in panels[y.shape[1] :]:
            axes.set_axis_off()
        figure.legend(handles=panels[0].lines)
        return laid_out(figure)


def _draw(axes: Any, name: str, true: np.ndarray, predicted: np.ndarray) -> None:
    """A square in which both axes have the same values."""
    true, predicted = true.astype("float64"), predicted.astype("float64")
    low, high = min(true.min(), predicted.min()), max(true.max(), predicted.max())
    room = 0.04 * (high - low) or 0.04 * abs(high) or 1.0  # where all are the same
    ends = (low - room, high + room)
    axes.scatter(true, predicted, s=14, alpha=0.5)
    axes.plot(ends, ends, color="grey", linestyle=":", label="a perfect prediction")
    axes.set(xlabel=f"true {name}", ylabel=f"predicted {name}", xlim=ends, ylim=ends)
    few_ticks(axes.xaxis)
    few_ticks(axes.yaxis)
