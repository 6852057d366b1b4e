"""Pictures of the best weights' predictions, in plots/; each is drawn for the tasks that it suits."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.trainer.states import TrainerFn
from matplotlib.figure import Figure
from torch import Tensor

from src.datamodule import DataModule, data_of
from src.module import SupervisedModule
from src.plots.names import short
from src.plots.sheet import save

POINTS = 2000  # of a split that are drawn


class Picture(Callback):
    """Sees the predictions for the test split, or for val where there is no test split; then draws `plots/<name>.png`.

    A task names the pictures that suit it.
    """

    name: ClassVar[str]

    @abstractmethod
    def add(self, x: Tensor, truth: Tensor, predictions: Tensor) -> None:
        """Take in one batch: raw x (B, ...), truth and predictions as the task makes them."""

    @abstractmethod
    def draw(self, module: SupervisedModule, data: DataModule, split: str, metrics: dict[str, float]) -> Figure: ...

    def on_test_batch_end(self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, *_: Any) -> None:
        self._add(pl_module, outputs, batch)

    def on_validation_batch_end(self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, *_: Any) -> None:
        if _is_last_look(trainer):
            self._add(pl_module, outputs, batch)

    def on_test_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        self._finish(trainer, pl_module, "test")

    def on_validation_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        if _is_last_look(trainer):
            self._finish(trainer, pl_module, "val")

    def suits(self, module: SupervisedModule) -> bool:
        return self.name in module.task.pictures

    def _add(self, module: Any, outputs: Any, batch: Any) -> None:
        if isinstance(module, SupervisedModule) and self.suits(module):
            self.add(batch[0], module.task.truth(batch[1]), outputs)

    def _finish(self, trainer: L.Trainer, module: Any, split: str) -> None:
        if not (isinstance(module, SupervisedModule) and self.suits(module)):
            return
        metrics = {name: value.item() for name, value in trainer.callback_metrics.items()}
        figure = self.draw(module, data_of(trainer), split, metrics)
        if trainer.is_global_zero:
            save(figure, plots(trainer) / f"{self.name}.png")


def _is_last_look(trainer: L.Trainer) -> bool:
    return trainer.state.fn == TrainerFn.VALIDATING and not data_of(trainer).splits["test"]


def plots(trainer: L.Trainer) -> Path:
    """The folder of a run's pictures, made for the first of them."""
    folder = Path(trainer.default_root_dir) / "plots"
    folder.mkdir(exist_ok=True)
    return folder


def draw_points(axes: Any, data: DataModule) -> None:
    """Draw the first examples of each split of data with one x and one y."""
    for split, subset in data.splits.items():
        shown = [subset[i] for i in range(min(len(subset), POINTS))]
        if shown:
            x, y = ([torch.as_tensor(value).item() for value in values] for values in zip(*shown, strict=True))
            axes.scatter(x, y, s=12, alpha=0.6, label=split)
    axes.set(xlabel="x", ylabel=short(data.description.target))


def curve_x(data: DataModule) -> Tensor:
    """300 values of x (300, 1), evenly over those of the training split."""
    x = torch.cat([x for x, _ in data.training_batches()])
    return torch.linspace(x.min().item(), x.max().item(), 300).unsqueeze(1)
