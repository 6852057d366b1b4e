"""plots/fit.gif: how a curve comes to fit its points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightning as L
import numpy as np
from lightning.pytorch.callbacks import Checkpoint

from src.console.messages import UserError
from src.console.numbers import shown
from src.datamodule import DataModule, data_of
from src.files.atomic import written_whole
from src.learning.timing import ends
from src.module import SupervisedModule
from src.plots.picture import curve_x, draw_points, plots
from src.plots.sheet import styled

if TYPE_CHECKING:
    from PIL import Image

FRAMES = 60  # at most, evenly over the run, for which they are thinned out as it goes on


class Animation(Checkpoint):
    """A frame for an epoch that is measured, or for every second, fourth, ... of them, with the loss in it.

    A Checkpoint, since Lightning calls those when an epoch's metrics are known.
    """

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self.every = 1
        self.frames: list[list[Any]] = []  # epoch, loss, the curve's values

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not self.enabled:
            return
        if not isinstance(pl_module, SupervisedModule) or "fit" not in pl_module.task.pictures:
            raise UserError("animate=true draws data with one x and one y, such as data=parabola.")
        self.x = curve_x(data_of(trainer))  # (300, 1)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: SupervisedModule) -> None:
        if not self.enabled or not pl_module.is_measured:
            return
        number = (trainer.current_epoch + 1) // pl_module.every - 1
        if number % self.every and not ends(trainer):
            return
        y = pl_module.task.predictions(pl_module.outputs(self.x.to(pl_module.device)).float())
        name = "val/loss" if pl_module.is_validated else "train/loss"  # train/loss is that of weights before these
        loss = f"{name} {shown(trainer.callback_metrics[name].item())}"
        self.frames.append([trainer.current_epoch, loss, y[:, 0].tolist()])
        if len(self.frames) > FRAMES:
            self.frames, self.every = self.frames[::2], 2 * self.every

    def state_dict(self) -> dict[str, Any]:
        return {"every": self.every, "frames": self.frames}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.every, self.frames = state_dict["every"], state_dict["frames"]

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.is_global_zero or not self.frames:
            return
        first, *others = self._film(data_of(trainer))
        durations = [80] * len(others) + [1500]  # milliseconds; time to look at the end
        with written_whole(plots(trainer) / "fit.gif") as partial:  # one that a kill cuts short would look whole
            first.save(partial, "GIF", save_all=True, append_images=others, duration=durations, loop=0)

    @styled()
    def _film(self, data: DataModule) -> list[Image.Image]:
        """Points and axes are drawn once, then only the curve and the title for each frame."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from PIL import Image

        figure = Figure(figsize=(6, 4), dpi=80, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        draw_points(axes, data)
        [line] = axes.plot(self.x[:, 0].numpy(), self.frames[0][2], color="black", label="learnt")
        axes.set_title("epoch")
        axes.legend(loc="upper center")
        line.set_animated(True)
        axes.title.set_animated(True)
        canvas.draw()
        background = canvas.copy_from_bbox(figure.bbox)
        film = []
        for epoch, loss, y in self.frames:
            canvas.restore_region(background)
            line.set_ydata(y)
            axes.title.set_text(f"epoch {epoch}: {loss}")
            axes.draw_artist(line)
            axes.draw_artist(axes.title)
            film.append(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("P", palette=Image.Palette.ADAPTIVE))
        return film
