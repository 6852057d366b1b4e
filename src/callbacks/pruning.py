"""A trial of a search that does worse than others did ends early."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning as L
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.pytorch.callbacks import Checkpoint

from src.learning.timing import ends

if TYPE_CHECKING:
    from src.callbacks.running_trial import RunningTrial


class Pruning(Checkpoint):
    """Reports the score of each epoch to the study that has asked for the run, and ends the run if its pruner says so.

    A Checkpoint, since Lightning calls those when an epoch's metrics are known. Outside of a search it does nothing.

    Args:
        goals: the metric that the search is for; None: `monitor`.
        pruner: its name, such as median; None or none: every run goes on to its end.
        options: parameters of Optuna's pruner.
        storage: the URL of the study's database; None: a journal beside the run's folder.

    Attributes:
        is_pruned: whether it has ended the run.
    """

    def __init__(
        self,
        monitor: str | None,
        goals: list[str] | None,
        pruner: str | None,
        options: dict[str, Any],
        storage: str | None,
    ) -> None:
        self.metric = goals[0] if goals else monitor
        self.pruner, self.options, self.storage = pruner, options, storage
        self.scores: dict[int, float] = {}  # by epoch
        self.is_pruned = False
        self.trial: RunningTrial | None = None

    def state_dict(self) -> dict[str, Any]:
        return {"scores": self.scores, "is_pruned": self.is_pruned}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.scores, self.is_pruned = state_dict["scores"], state_dict["is_pruned"]

    @property
    def waits_for_each_epoch(self) -> bool:
        """Whether trials are compared epoch by epoch."""
        return self.pruner not in (None, "none")

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        is_asked_for = HydraConfig.get().mode == RunMode.MULTIRUN
        if not (self.waits_for_each_epoch and is_asked_for and trainer.is_global_zero):
            return
        from src.callbacks.running_trial import RunningTrial
        from src.files.study import PRUNERS, build_named

        epochs = {"max_resource": trainer.max_epochs} if (trainer.max_epochs or 0) > 0 else {}
        self.judge = build_named("search.pruner", self.pruner, PRUNERS, self.options, **epochs)
        self.trial = RunningTrial.of(Path(trainer.default_root_dir), self.storage)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        is_worse = False
        if self.trial is not None and self.metric in trainer.callback_metrics:
            self.scores[trainer.current_epoch] = trainer.callback_metrics[self.metric].item()
            is_worse = self.trial.is_worse(self.scores, self.judge)
        if trainer.strategy.broadcast(is_worse and not ends(trainer)):
            self.is_pruned = trainer.should_stop = True

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self.teardown()

    def teardown(self, *_: Any, **__: Any) -> None:
        if self.trial is not None:
            self.trial.close()
            self.trial = None


def is_pruned(trainer: L.Trainer) -> bool:
    """Whether a search has ended the run early."""
    return any(callback.is_pruned for callback in trainer.checkpoint_callbacks if isinstance(callback, Pruning))
