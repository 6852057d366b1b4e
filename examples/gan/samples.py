"""plots/samples.png: images that the generator has made."""

from __future__ import annotations

import lightning as L
from lightning.pytorch.callbacks import Callback
from matplotlib.figure import Figure

from examples.gan.gan import GAN
from src.plots.picture import plots
from src.plots.sheet import DPI

ROWS, COLUMNS = 6, 12


class Samples(Callback):
    """Draws images of the best weights, which are those that are tested."""

    def on_test_end(self, trainer: L.Trainer, pl_module: GAN) -> None:
        if not trainer.is_global_zero:
            return
        figure = Figure(figsize=(COLUMNS, ROWS + 0.4), layout="constrained")
        figure.suptitle(f"Generated; told apart from real ones: {trainer.callback_metrics['test/told_apart']:.2f}")
        images = pl_module.generate(ROWS * COLUMNS).cpu()
        for axes, image in zip(figure.subplots(ROWS, COLUMNS).flat, images, strict=True):
            axes.imshow(image[0].numpy(), "gray", vmin=0, vmax=pl_module.hparams.brightest)
            axes.set_axis_off()
        figure.savefig(plots(trainer) / "samples.png", dpi=DPI)
