"""The metric that chooses the best epoch and stops early: is it measured, and is a smaller value better?"""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping as LightningEarlyStopping

from src.callbacks.epoch_ends import has_end
from src.learning.metrics import Mode, check_measured, known_mode
from src.module import SupervisedModule


def check_monitor(key: str, monitor: str | None, module: L.LightningModule) -> None:
    """Raise UserError if `monitor`, which `key` names, is none of the metrics of a SupervisedModule."""
    if monitor is not None and isinstance(module, SupervisedModule):
        check_measured(key, monitor, module.measured)


def check_logged(key: str, monitor: str, trainer: L.Trainer, module: L.LightningModule) -> None:
    """After an epoch of a module of the user's own: raise UserError if it has not logged `monitor`."""
    if not isinstance(module, SupervisedModule):
        check_measured(key, monitor, trainer.callback_metrics)


def mode_of(monitor: str, module: L.LightningModule) -> Mode:
    """min if a smaller value of a metric is better, else max. Raises UserError if nobody says so."""
    return module.mode_of(monitor) if isinstance(module, SupervisedModule) else known_mode(monitor, None)


class EarlyStopping(LightningEarlyStopping):
    """Lightning's, with a `mode` of None for the metric's own.

    Args:
        patience: epochs without a better value.
        min_delta: the least change that counts as better.
        strict: a metric that was not measured in an epoch is an error.
        check_finite: stop at nan and infinity.
        stopping_threshold: stop at a value as good as this.
        divergence_threshold: stop at a value as bad as this.
    """

    def __init__(
        self,
        monitor: str,
        mode: Mode | None,
        patience: int,
        min_delta: float,
        strict: bool,
        check_finite: bool,
        stopping_threshold: float | None = None,
        divergence_threshold: float | None = None,
    ) -> None:
        options: dict[str, Any] = {"strict": strict, "check_finite": check_finite}
        thresholds = {"stopping_threshold": stopping_threshold, "divergence_threshold": divergence_threshold}
        super().__init__(monitor, min_delta, patience, mode=mode or "min", **options, **thresholds)
        self.follows_metric = mode is None

    @property
    def state_key(self) -> str:
        """Without the mode, which is not known yet where a run that goes on is given its state."""
        return self._generate_state_key(monitor=self.monitor)

    def _should_skip_check(self, trainer: L.Trainer) -> bool:
        return super()._should_skip_check(trainer) or not has_end(trainer.lightning_module)

    def _run_early_stopping_check(self, trainer: L.Trainer) -> None:
        if self.monitor in trainer.callback_metrics:  # Lightning counts validations
            self.wait_count += (trainer.check_val_every_n_epoch or 1) - 1
        super()._run_early_stopping_check(trainer)

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        is_the_runs = self.monitor == getattr(trainer.checkpoint_callback, "monitor", None)
        check_monitor("monitor" if is_the_runs else "callbacks.early_stopping.monitor", self.monitor, pl_module)
        if self.follows_metric:
            self.mode = mode_of(self.monitor, pl_module)
            if not self.best_score.isfinite():  # else it was restored
                self.best_score = torch.tensor(torch.inf if self.mode == "min" else -torch.inf)
