"""plots/mistakes.png: the images whose wrong class the net is most sure of."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from src.datamodule import DataModule
from src.learning.devices import of_all_devices
from src.module import SupervisedModule
from src.plots.picture import Picture

SHOWN = 16
Mistake = tuple[float, int, int, Tensor]  # probability, predicted and true class, image


class Mistakes(Picture):
    """At most 16 images, each with its predicted class, how sure the net is of it, and the true class."""

    name = "mistakes"

    def __init__(self) -> None:
        self.worst: list[Mistake] = []
        self.count = 0

    def add(self, x: Tensor, truth: Tensor, predictions: Tensor) -> None:
        sure, predicted = predictions.max(dim=1)
        for i in (predicted != truth).nonzero()[:, 0].tolist():
            self.count += 1
            self.worst.append((sure[i].item(), int(predicted[i]), int(truth[i]), x[i].cpu()))
        self.worst = _first(self.worst)

    def draw(self, module: SupervisedModule, data: DataModule, split: str, metrics: dict[str, float]) -> Figure:
        classes, seen = data.description.classes or [], of_all_devices((self.worst, self.count))
        worst, count = _first([mistake for some, _ in seen for mistake in some]), sum(count for _, count in seen)
        self.worst, self.count = [], 0
        columns = min(max(len(worst), 1), 4)
        rows = -(-max(len(worst), 1) // columns)
        figure = Figure(figsize=(max(2.2 * columns, 6), 2.5 * rows + 0.6), layout="constrained")
        if not worst:
            figure.suptitle(f"No mistake on the {split} split")
        else:
            figure.suptitle(f"The most confident of {count} mistakes on the {split} split")
        no_ticks: dict[str, Any] = {"xticks": [], "yticks": []}  # unseen too they take half of the time to draw
        for axes in figure.subplots(rows, columns, squeeze=False, subplot_kw=no_ticks).flat:
            axes.set_axis_off()
            if worst:
                sure, predicted, true, image = worst.pop(0)
                axes.imshow(*_shown(image))
                axes.set_title(f"{classes[predicted]} ({sure:.0%}), is {classes[true]}", fontsize=10)
        return figure


def _first(mistakes: list[Mistake]) -> list[Mistake]:
    """The surest."""
    return sorted(mistakes, key=lambda mistake: -mistake[0])[:SHOWN]


def _shown(image: Tensor) -> tuple[np.ndarray, str | None]:
    """(H, W), (1, H, W) or (3, H, W) with values of any range -> what imshow takes, and its colours."""
    if image.dim() == 2 or len(image) == 1:
        return image.reshape(image.shape[-2:]).numpy(), "gray"
    if image.is_floating_point():
        image = (image - image.min()) / (image.max() - image.min()).clamp(min=1e-12)
    return image.permute(1, 2, 0).numpy(), None  # (C, H, W) -> (H, W, C)
