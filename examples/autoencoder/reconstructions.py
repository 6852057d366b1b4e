"""plots/reconstructions.png: images, and what the autoencoder makes of them."""

from __future__ import annotations

from matplotlib.figure import Figure
from torch import Tensor

from src.datamodule import DataModule
from src.learning.devices import joined
from src.module import SupervisedModule
from src.plots.picture import Picture

SHOWN = 12


class Reconstructions(Picture):
    """The first grey images of the test split, each above its reconstruction."""

    name = "reconstructions"

    def __init__(self) -> None:
        self.batches: list[tuple[Tensor, Tensor]] = []

    def add(self, x: Tensor, truth: Tensor, predictions: Tensor) -> None:
        if sum(len(x) for x, _ in self.batches) < SHOWN:
            self.batches.append((x.cpu(), predictions.cpu()))

    def draw(
        self,
        module: SupervisedModule,
        data: DataModule,
        split: str,
        metrics: dict[str, float],
    ) -> Figure:
        originals, reconstructions = (part[:SHOWN] for part in joined(self.batches))
        self.batches = []
        figure = Figure(figsize=(SHOWN, 2.8), layout="constrained")
        figure.suptitle(f"{split} images above their reconstructions, R2 {metrics[f'{split}/r2']:.3f}")
        axes = figure.subplots(2, len(originals), squeeze=False)
        for column, pair in enumerate(zip(originals, reconstructions, strict=True)):
            for row, image in enumerate(pair):  # (1, H, W), both in the greys of the original
                axes[row][column].imshow(image[0].numpy(), "gray", vmin=pair[0].min(), vmax=pair[0].max())
                axes[row][column].set_axis_off()
        return figure
