"""One progress bar over the whole run, with the time left."""

from __future__ import annotations

import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from rich.progress import Progress

from src.console.lines import Lines
from src.console.screen import Row, bar
from src.module import SupervisedModule


class RunProgress(Callback):
    """Epochs done, the newest metrics, time gone and left, on stderr; where no terminal is, a line now and then."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self.bar: Progress | Row | Lines | None = None
        self.metrics = ""
        self.drawn = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        steps = trainer.estimated_stepping_batches * trainer.accumulate_grad_batches
        self._start("training", steps)

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if self._is_due():
            epochs = trainer.max_epochs if trainer.max_epochs and trainer.max_epochs > 0 else "?"
            done = trainer.fit_loop.epoch_loop.total_batch_idx + 1
            self._draw(completed=done, description=f"epoch {trainer.current_epoch + 1}/{epochs}", metrics=self.metrics)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.bar is None:
            return
        values = trainer.callback_metrics
        names = pl_module.val_metrics.names if isinstance(pl_module, SupervisedModule) else values
        self.metrics = "  ".join(f"{name} {values[name]:.3g}" for name in [*names][:2] if name in values)

    def on_test_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._start("testing", sum(trainer.num_test_batches))

    def on_test_batch_end(self, trainer: L.Trainer, pl: Any, outputs: Any, batch: Any, batch_idx: int, *_: Any) -> None:
        if self._is_due():
            self._draw(completed=batch_idx + 1)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._stop()

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._stop()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._stop()

    def _start(self, what: str, total: float) -> None:
        self.bar = bar() if self.enabled else None
        if self.bar is None:
            return
        self.task = self.bar.add_task(what, total=None if total == float("inf") else total, metrics="")
        self.bar.start()

    def _is_due(self) -> bool:
        """Ten times a second: to draw costs more than to train a small net for a step."""
        return self.bar is not None and time.monotonic() - self.drawn > 0.1

    def _draw(self, **change: Any) -> None:
        if self.bar is not None:
            self.drawn = time.monotonic()
            self.bar.update(self.task, **change)

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
