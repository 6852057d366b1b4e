"""plots/predictions.png: the predictions of a regression against the truth."""

from __future__ import annotations

from itertools import chain

import torch
from matplotlib.figure import Figure
from torch import Tensor

from src.datamodule import DataModule
from src.learning.devices import of_all_devices
from src.module import SupervisedModule
from src.plots.picture import Picture

MOST = 5000  # points; more make a cloud without a shape
PANELS = 6  # of several targets


class Predictions(Picture):
    """One panel a target; a perfect prediction lies on the diagonal."""

    name = "predictions"

    def __init__(self) -> None:
        self.points: list[tuple[Tensor, Tensor]] = []

    def add(self, x: Tensor, truth: Tensor, predictions: Tensor) -> None:
        if sum(len(y) for y, _ in self.points) < MOST:
            self.points.append((truth.float().cpu(), predictions.cpu()))

    def draw(self, module: SupervisedModule, data: DataModule, split: str, metrics: dict[str, float]) -> Figure:
        points = chain.from_iterable(of_all_devices(self.points))
        y, predictions = (torch.cat(part)[:MOST] for part in zip(*points, strict=True))  # (N, K) each
        self.points = []
        panels = min(y.shape[1], PANELS)
        figure = Figure(figsize=(5 * panels, 5), layout="constrained")
        said = f"R2 {metrics[f'{split}/r2']:.3f}, rmse {metrics[f'{split}/rmse']:.4g}"
        figure.suptitle(f"{data.description.target}, {len(y)} {split} examples: {said}")
        for i, axes in enumerate(figure.subplots(1, panels, squeeze=False)[0]):
            axes.scatter(y[:, i].numpy(), predictions[:, i].numpy(), s=14, alpha=0.5)
            both = torch.stack([y[:, i], predictions[:, i]])
            ends = [both.min().item(), both.max().item()]
            axes.plot(ends, ends, color="grey", linestyle=":", label="perfect")
            name = data.description.targets[i]
            axes.set(xlabel=f"true {name}", ylabel=f"predicted {name}", aspect="equal")
            axes.grid(alpha=0.3)
            axes.legend()
        return figure
