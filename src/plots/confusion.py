"""plots/confusion.png: which classes are taken for which."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure
from torch import Tensor

from src.datamodule import DataModule
from src.learning.devices import of_all_devices
from src.module import SupervisedModule
from src.plots.picture import Picture

NUMBERED = 20  # classes; with more the numbers in the cells, and the classes' names, would run into one another


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

    def draw(self, module: SupervisedModule, data: DataModule, split: str, metrics: dict[str, float]) -> Figure:
        classes = data.description.classes or []
        size = len(classes)
        seen = [counts for counts in of_all_devices(self.counts) if counts is not None]
        counts = torch.stack(seen).sum(dim=0)
        self.counts = None
        side = min(max(4.0, 0.5 * size + 2), 12.0)
        figure = Figure(figsize=(side + 1, side), layout="constrained")
        axes = figure.add_subplot()
        shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1)
        drawn = axes.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
        figure.colorbar(drawn, label="share of the true class", shrink=0.8)
        accuracy = metrics[f"{split}/accuracy"]
        axes.set(xlabel="predicted", ylabel="true")
        axes.set_title(f"{data.description.target}: accuracy {accuracy:.3f} on {int(counts.sum())} {split} examples")
        if size <= NUMBERED:
            long_names = max(map(len, classes)) > 3
            axes.set_xticks(range(size), classes, rotation=45 if long_names else 0)
            axes.set_yticks(range(size), classes)
            for row, column in counts.nonzero().tolist():
                color = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, str(counts[row, column].item()), ha="center", va="center", color=color)
        return figure
