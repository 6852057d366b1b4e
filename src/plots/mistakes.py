"""plots/mistakes.png: the images whose wrong class the net is most sure of."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from src.datamodule import DataModule
from src.learning.devices import of_all_devices
from src.module import SupervisedModule
from src.plots.names import short
from src.plots.picture import Picture
from src.plots.sheet import laid_out, sheet, styled

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

    @styled()
    def draw(self, module: SupervisedModule, data: DataModule, split: str, metrics: dict[str, float]) -> Figure:
        classes, seen = data.description.classes or [], of_all_devices((self.worst, self.count))
        worst, count = _first([mistake for some, _ in seen for mistake in some]), sum(count for _, count in seen)
        self.worst, self.count = [], 0
        columns = min(max(len(worst), 1), 4)
        figure, panels = sheet(2.1 if worst else 4, 2.1 if worst else 0.1, -(-len(worst) // columns) or 1, columns)
        of_all = f"The most confident of {count} mistakes on the {split} split"
        figure.suptitle(of_all if worst else f"No mistake on the {split} split")
        for place, axes in enumerate(panels):
            axes.set_axis_off()
            if place < len(worst):
                sure, predicted, true, image = worst[place]
                axes.imshow(*_shown(image))
                axes.set_title(_said(classes[predicted], sure, classes[true]))
        return laid_out(figure)


def _said(predicted: str, sure: float, true: str) -> str:
    """On one line, or on two where the names are long."""
    between = ", " if len(predicted) + len(true) < 12 else "\n"
    return f"{short(predicted, 24)} ({sure:.0%}){between}is {short(true, 24)}"


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
