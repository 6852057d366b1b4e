"""Pictures of the best weights' answers, in plots/; each draws for the data that it suits."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.trainer.states import TrainerFn
from matplotlib.figure import Figure  # not pyplot: no window, no state shared with a notebook
from torch import Tensor

if TYPE_CHECKING:
    from src.datamodule import DataModule
    from src.module import SupervisedModule

DPI = 120


class Picture(Callback):
    """Sees the answers to the test split, or to val where there is no test split; then draws `plots/<file>`."""

    file: ClassVar[str]

    @abstractmethod
    def suits(self, module: SupervisedModule, data: DataModule) -> bool: ...

    @abstractmethod
    def add(self, x: Tensor, y: Tensor, predictions: Tensor) -> None:
        """One batch: raw x (B, ...), y (B, K) or (B,), predictions as `module(x)` gives them."""

    @abstractmethod
    def draw(self, module: SupervisedModule, data: DataModule, split: str, scores: dict[str, float]) -> Figure: ...

    def on_test_batch_end(self, trainer: L.Trainer, pl_module: SupervisedModule, outputs: Any, batch: Any, *_: Any):
        if self.suits(pl_module, cast(Any, trainer).datamodule):
            self.add(batch[0], batch[1], outputs)

    def on_validation_batch_end(self, trainer: L.Trainer, pl: SupervisedModule, outputs: Any, batch: Any, *_: Any):
        if self._is_last_look(trainer) and self.suits(pl, cast(Any, trainer).datamodule):
            self.add(batch[0], batch[1], outputs)

    def on_test_end(self, trainer: L.Trainer, pl_module: SupervisedModule) -> None:
        self._finish(trainer, pl_module, "test")

    def on_validation_end(self, trainer: L.Trainer, pl_module: SupervisedModule) -> None:
        if self._is_last_look(trainer):
            self._finish(trainer, pl_module, "val")

    def _is_last_look(self, trainer: L.Trainer) -> bool:
        return trainer.state.fn == TrainerFn.VALIDATING and not cast(Any, trainer).datamodule.splits["test"]

    def _finish(self, trainer: L.Trainer, pl_module: SupervisedModule, split: str) -> None:
        data = cast(Any, trainer).datamodule
        if not self.suits(pl_module, data):
            return
        scores = {k: v.item() for k, v in trainer.callback_metrics.items()}
        figure = self.draw(pl_module, data, split, scores)
        if trainer.is_global_zero:
            figure.savefig(plots(trainer) / self.file, dpi=DPI)


def plots(trainer: L.Trainer) -> Path:
    """The folder of a run's pictures, made for the first of them."""
    folder = Path(trainer.default_root_dir) / "plots"
    folder.mkdir(exist_ok=True)
    return folder


def draw_points(axes: Any, data: DataModule, most: int = 2000) -> None:
    """The examples of each split of data with one x and one y, at most so many of a split."""
    for split, part in data.splits.items():
        shown = [part[i] for i in range(min(len(part), most))]
        if shown:
            x, y = ([torch.as_tensor(value).item() for value in values] for values in zip(*shown, strict=True))
            axes.scatter(x, y, s=12, alpha=0.6, label=split)
    axes.set(xlabel="x", ylabel=data.target)


def curve_x(data: DataModule) -> Tensor:
    """300 values of x (300, 1), evenly over those of the training split."""
    x = torch.cat([x for x, _ in data.training_batches()])
    return torch.linspace(x.min().item(), x.max().item(), 300).unsqueeze(1)


def is_curve(module: SupervisedModule, data: DataModule) -> bool:
    """Whether one value follows from one value, which is no index."""
    h = module.hparams
    one_from_one = h.task == "regression" and list(h.input_shape) == [1] and h.output_size == 1
    return one_from_one and data.example().dtype != torch.int64
