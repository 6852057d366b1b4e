"""checkpoints/best.ckpt: the epoch that is tested, and answers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only

from src.callbacks.epoch_ends import has_end
from src.callbacks.monitor import check_logged, check_monitor, mode_of
from src.console.messages import UserError
from src.learning.metrics import Mode
from src.learning.timing import ends

HELD = 2**26  # bytes of a checkpoint that may wait in memory


class BestCheckpoint(Checkpoint):
    """The epoch with the best `monitor` so far, `best_epoch`; where equal, the first.

    A small one waits to be written until the last state is (`LastCheckpoint`), since epochs may be better and better
    many times a second, and a run that is killed goes on from that state.

    Args:
        monitor: a metric, such as val/loss; None: the last epoch is the best.
        mode: whether a smaller or a larger value is better; None: as the metric says.
    """

    def __init__(self, monitor: str | None, mode: Mode | None) -> None:
        self.monitor, self.mode = monitor, mode
        self.best_epoch: int | None = None
        self.best_value: float | None = None
        self.waiting: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        return {"best_epoch": self.best_epoch, "best_value": self.best_value}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_epoch, self.best_value = state_dict["best_epoch"], state_dict["best_value"]

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        check_monitor("monitor", self.monitor, pl_module)
        if self.monitor and self.mode is None:
            self.mode = mode_of(self.monitor, pl_module)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Of several in an epoch each is judged; the last one when the epoch ends, and its other metrics are known."""
        is_inside = trainer.val_check_batch != trainer.num_training_batches
        if trainer.state.fn == TrainerFn.FITTING and is_inside and (self.monitor or "").startswith("val"):
            self._judge(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not has_end(pl_module):
            return
        if self.monitor is None:
            if ends(trainer):
                self._save(trainer)
        elif self.monitor in trainer.callback_metrics:  # not before the first validation
            self._judge(trainer)
        elif (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1) == 0:
            check_logged("monitor", self.monitor, trainer, pl_module)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self.write(trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.write(trainer)
        if self.best_epoch is None:
            raise UserError(
                f"monitor={self.monitor} was never measured: the run ended before a validation. "
                "Train longer, or set trainer.val_check_interval."
            )

    def _judge(self, trainer: L.Trainer) -> None:
        value, best = trainer.callback_metrics[str(self.monitor)].item(), self.best_value
        if best is None or math.isnan(best) or (value < best if self.mode == "min" else value > best):
            self.best_value = value
            self._save(trainer)

    def _save(self, trainer: L.Trainer) -> None:
        self.best_epoch = trainer.current_epoch  # before it is written: it is a part of what is written
        self.waiting = trainer._checkpoint_connector.dump_checkpoint()
        if sum(leaf.nbytes for leaf in tree_leaves(self.waiting) if isinstance(leaf, Tensor)) > HELD:
            self.write(trainer)
        else:
            self.waiting = tree_map_only(Tensor, lambda tensor: tensor.cpu().clone(), self.waiting)

    def write(self, trainer: L.Trainer) -> None:
        """Write it, if it has waited."""
        if self.waiting:
            trainer.strategy.save_checkpoint(self.waiting, Path(trainer.default_root_dir) / "checkpoints" / "best.ckpt")
            self.waiting = None


def best_of(trainer: L.Trainer) -> BestCheckpoint:
    """The one that every run has."""
    return next(c for c in trainer.checkpoint_callbacks if isinstance(c, BestCheckpoint))
