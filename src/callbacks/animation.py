"""plots/fit.gif: how a curve comes to fit its points."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import lightning as L
from lightning.pytorch.callbacks import Checkpoint
from matplotlib.animation import PillowWriter
from matplotlib.figure import Figure

from src.callbacks.picture import curve_x, draw_points, is_curve

if TYPE_CHECKING:
    from src.module import SupervisedModule

FRAMES = 60  # at most, evenly over the run, for which they are thinned out as it goes on


class Animation(Checkpoint):
    """A frame for an epoch, or for every second, fourth, ... of a long run, with the loss in it.

    A Checkpoint, since Lightning calls those when an epoch's scores are known.
    """

    def __init__(self) -> None:
        self.every = 1
        self.frames: list[list[Any]] = []  # epoch, loss, the curve's values

    def on_fit_start(self, trainer: L.Trainer, pl_module: SupervisedModule) -> None:
        if not is_curve(pl_module):
            raise ValueError("animate=true draws data with one x and one y, such as data=parabola.")
        self.x = curve_x(cast(Any, trainer).datamodule)  # (300, 1)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: SupervisedModule) -> None:
        if trainer.current_epoch % self.every:
            return
        y = pl_module.predictions(pl_module.try_net(self.x.to(pl_module.device)))
        self.frames.append([trainer.current_epoch, trainer.callback_metrics["train/loss"].item(), y[:, 0].tolist()])
        if len(self.frames) > FRAMES:
            self.frames, self.every = self.frames[::2], 2 * self.every

    def state_dict(self) -> dict[str, Any]:
        return {"every": self.every, "frames": self.frames}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.every, self.frames = state_dict["every"], state_dict["frames"]

    def on_fit_end(self, trainer: L.Trainer, pl_module: SupervisedModule) -> None:
        if not trainer.is_global_zero or not self.frames:
            return
        data = cast(Any, trainer).datamodule
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.add_subplot()
        draw_points(axes, data)
        [line] = axes.plot(self.x[:, 0].numpy(), self.frames[0][2], color="black", label="learnt")
        axes.legend(loc="upper center")
        axes.grid(alpha=0.3)
        plots = Path(trainer.default_root_dir) / "plots"
        plots.mkdir(exist_ok=True)
        partial = plots / ".fit.partial.gif"  # a GIF that a kill cuts short would look like a whole one
        writer = PillowWriter(fps=12)
        with writer.saving(figure, str(partial), dpi=80):
            for epoch, loss, y in [*self.frames, *[self.frames[-1]] * 12]:  # a second to look at the end
                line.set_ydata(y)
                axes.set_title(f"epoch {epoch + 1}: train/loss {loss:.4f}")
                writer.grab_frame()
        partial.replace(plots / "fit.gif")
