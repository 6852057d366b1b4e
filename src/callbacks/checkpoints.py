"""checkpoints/best.ckpt, the best epoch, and checkpoints/last.ckpt, from which an interrupted run goes on."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any, cast

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint

from src.callbacks.monitor import check_logged, check_monitor, mode_of
from src.console.messages import UserError
from src.console.signals import stop_if_asked
from src.learning.metrics import Mode


class BestCheckpoint(ModelCheckpoint):
    """The epoch with the best `monitor` so far, `best_epoch`.

    Args:
        monitor: a metric, such as val/loss; None: the last epoch is the best.
        mode: whether a smaller or a larger value is better; None: as the metric says.
    """

    def __init__(self, monitor: str | None, mode: Mode | None) -> None:
        # Else Lightning would save after validation: before the epoch has ended, and its training metrics are known.
        at_end = True if monitor is None or monitor.startswith("train/") else None
        options: dict[str, Any] = {"enable_version_counter": False, "save_on_train_epoch_end": at_end}
        super().__init__(filename="best", monitor=monitor, mode=mode or "min", **options)
        self.follows_metric = mode is None and monitor is not None
        self.best_epoch: int | None = None

    @property
    def state_key(self) -> str:
        return "BestCheckpoint"  # Lightning's lists all arguments, and makes a profile's table too wide to read

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.best_epoch = state_dict["best_epoch"]

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self.dirpath = str(Path(trainer.default_root_dir) / "checkpoints")
        super().setup(trainer, pl_module, stage)

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        check_monitor("monitor", self.monitor, pl_module)
        if self.follows_metric and self.monitor:
            self.mode = mode_of(self.monitor, pl_module)
            if not self.best_k_models:  # else they were restored
                self.kth_value = torch.tensor(torch.inf if self.mode == "min" else -torch.inf)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        is_measured = self.monitor in trainer.callback_metrics  # not before the first validation
        if is_measured or (self.monitor is None and ends(trainer)):
            super().on_train_epoch_end(trainer, pl_module)
        elif self.monitor and (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1) == 0:
            check_logged("monitor", self.monitor, trainer, pl_module)

    def _save_checkpoint(self, trainer: L.Trainer, filepath: str) -> None:
        self.best_epoch = trainer.current_epoch  # before it is written: it is a part of what is written
        super()._save_checkpoint(trainer, filepath)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        super().on_train_end(trainer, pl_module)
        if not self.best_model_path:
            raise UserError(
                f"monitor={self.monitor} was never measured: the run ended before a validation. "
                "Train longer, or set trainer.val_check_interval."
            )


class LastCheckpoint(Checkpoint):
    """The true last state, random numbers included: a run that goes on from it ends as if it had never stopped.

    Written at the end of the first epoch, of one when the last writing is `every_seconds` ago, and of the run.
    """

    def __init__(self, every_seconds: float) -> None:
        self.every_seconds = every_seconds
        self.written = float("-inf")
        self.restored: dict[str, Any] = {}
        self.stopped = False

    def on_train_batch_end(self, *_: Any) -> None:
        stop_if_asked()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        due = trainer.strategy.broadcast(time.monotonic() - self.written >= self.every_seconds)
        if ends(trainer) or due:
            self.stopped = trainer.should_stop
            trainer.save_checkpoint(Path(trainer.default_root_dir) / "checkpoints" / "last.ckpt")
            self.written = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        name, keys, position, has_gauss, gauss = cast(tuple, np.random.get_state())
        return {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "numpy": [name, keys.tolist(), position, has_gauss, gauss],
            "python": random.getstate(),
            "stopped": self.stopped,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.restored = state_dict

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not self.restored:
            return
        torch.set_rng_state(self.restored["torch"].cpu())
        if torch.cuda.is_available() and len(self.restored["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all([state.cpu() for state in self.restored["cuda"]])
        np.random.set_state(tuple(self.restored["numpy"]))
        random.setstate(self.restored["python"])
        trainer.should_stop = self.restored["stopped"]  # killed after it had stopped early


def ends(trainer: L.Trainer) -> bool:
    """Whether this epoch is the last one."""
    is_last = trainer.current_epoch + 1 == trainer.max_epochs or trainer.global_step == trainer.max_steps
    return trainer.should_stop or is_last
