"""checkpoints/last.ckpt, from which an interrupted run goes on."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path
from typing import Any, cast

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Checkpoint

from src.callbacks.best import best_of
from src.callbacks.logged import log_on_from, logged_so_far
from src.console.signals import stop_code, wait_for_safe_points
from src.datamodule import data_of
from src.files.checkpoints import LAST
from src.learning.devices import of_all_devices
from src.learning.timing import can_resume_here, ends


class LastCheckpoint(Checkpoint):
    """The true last state, random numbers included: a run that goes on from it ends as if it had never stopped.

    Written at the end of the first epoch, of one when the last writing is `every_seconds` ago, and of the run; inside
    a longer epoch `every_minutes`; and where a signal asks the run to stop. The one before it is kept: see
    `newest_whole` in src/files/checkpoints.py.

    Args:
        every_seconds: 0: at the end of every epoch.
        every_minutes: None: never inside an epoch, but for signals.
    """

    def __init__(self, every_seconds: float, every_minutes: float | None) -> None:
        self.every_seconds, self.every_minutes = every_seconds, every_minutes
        self.written = float("-inf")
        self.state: dict[str, Any] = {}
        self.restored: dict[str, Any] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.restored:
            _set_random_state(self.restored["random"][trainer.global_rank])
            trainer.should_stop = self.restored["stopped"]  # killed after it had stopped early
            trainer.callback_metrics.update(self.restored["metrics"])
            seen = trainer.fit_loop.epoch_loop.batch_progress.current.ready
            if seen:
                data_of(trainer).skip_batches(seen, trainer.current_epoch)
                log_on_from(trainer, self.restored["logged"][trainer.global_rank])
            else:
                _step_plateau(trainer)
        self.started = time.monotonic()
        wait_for_safe_points(True)

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        waited = time.monotonic() - max(self.written, self.started)
        code, is_due = _agreed(
            trainer, stop_code() or 0, self.every_minutes is not None and waited >= 60 * self.every_minutes
        )
        if (code or is_due) and can_resume_here(trainer):
            self._save(trainer, code)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        trainer.fit_loop._restarting = False  # else an epoch that was resumed would not step a plateau scheduler
        waited = time.monotonic() - self.written
        code, is_due = _agreed(trainer, stop_code() or 0, ends(trainer) or waited >= self.every_seconds)
        if code or is_due:
            self._save(trainer, code)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        wait_for_safe_points(False)

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        loops = checkpoint["loops"]["fit_loop"]
        if loops["epoch_progress"]["current"]["processed"] == loops["epoch_progress"]["current"]["started"]:
            _begin_next_epoch(loops)

    def state_dict(self) -> dict[str, Any]:
        return self.state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.restored = state_dict

    def _save(self, trainer: L.Trainer, stop_code: int) -> None:
        """Write it, and end the program if it was asked to stop."""
        self.state = {
            "random": of_all_devices(_random_state()),
            "stopped": trainer.should_stop,
            "logged": of_all_devices(logged_so_far(trainer)),
            "metrics": {name: value.cpu() for name, value in trainer.callback_metrics.items()},
        }
        best_of(trainer).write(trainer)
        trainer.save_checkpoint(Path(trainer.default_root_dir) / "checkpoints" / LAST)
        self.state = {}  # not for best.ckpt
        self.written = time.monotonic()
        if stop_code:
            sys.exit(stop_code)


def _agreed(trainer: L.Trainer, code: int, is_due: bool) -> list[int]:
    """The same on all devices: any of them may have got the signal, or be the first to see that it is time."""
    if trainer.world_size == 1:
        return [code, is_due]
    numbers = torch.tensor([code, int(is_due)], device=trainer.strategy.root_device)
    return trainer.strategy.reduce(numbers, reduce_op="max").tolist()


def _step_plateau(trainer: L.Trainer) -> None:
    """What Lightning does for a module's own plateau schedulers just after an epoch's state was saved."""
    finished = trainer.fit_loop.epoch_progress.current
    finished.completed -= 1  # the epoch whose metrics they wait for
    trainer.fit_loop.epoch_loop.update_lr_schedulers("epoch", update_plateau_schedulers=True)
    finished.completed += 1


def _begin_next_epoch(loops: dict[str, Any]) -> None:
    """Let the state of Lightning's loops be that of the beginning of an epoch, which is where a resumed run goes on.

    It is saved just before the end of the one before. With `max_steps` Lightning would go back into that.
    """
    for count in (loops["epoch_progress"]["total"], loops["epoch_progress"]["current"]):
        count["completed"] = count["processed"]
    batches = loops["epoch_loop.batch_progress"]
    batches["current"], batches["is_last_batch"] = dict.fromkeys(batches["current"], 0), False


def _random_state() -> dict[str, Any]:
    name, keys, position, has_gauss, gauss = cast(tuple, np.random.get_state())
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "numpy": [name, keys.tolist(), position, has_gauss, gauss],
        "python": random.getstate(),
    }


def _set_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"].cpu())
    if torch.cuda.is_available() and state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"].cpu())
    np.random.set_state(tuple(state["numpy"]))
    random.setstate(state["python"])
