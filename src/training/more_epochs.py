"""A finished run that is given more epochs, or steps: when it may be, and what its folder then says."""

from __future__ import annotations

import math
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig

from src.console.messages import UserError
from src.console.screen import notice
from src.files.checkpoints import load_checkpoint
from src.run import Run
from src.run.config import Length, length_of, write_config, written_config


def check_more(run: Run, cfg: DictConfig) -> None:
    """See that a run, from whose config `cfg` differs in its length alone, can go on to that.

    Raises:
        UserError: it is not finished, would be shorter, has ended before its time, or would not be longer.
    """
    written, asked = length_of(written_config(run.folder)), length_of(cfg)
    if run.results.get("status") != "finished" or not run.has_come_to(written):
        raise UserError(
            f"{run} is not finished, as a run of {_typed(written)}. Repeat its command first: it goes on where it was. "
            "Then it can be given more."
        )
    if any(_limit(asked[name]) < _limit(written[name]) for name in asked):
        raise UserError(f"{run} has been trained with {_typed(written)}. Type a larger number, or another name=.")
    try:
        last = load_checkpoint(run.last)
    except UserError as error:
        raise UserError(f"{error} The run cannot go on without it: choose another name=.") from error
    epochs, steps = run.results["epochs"], last["global_step"]
    if last["callbacks"]["LastCheckpoint"]["stopped"]:
        raise UserError(f"{run} ended after {epochs} epochs, before its {_typed(written)}: {_what_stopped(last)}")
    if _limit(asked["max_epochs"]) <= epochs or _limit(asked["max_steps"]) <= steps:
        raise UserError(
            f"{run} has been trained for {epochs} epochs, {steps} steps: with {_typed(asked)} it is at its end."
        )


def _what_stopped(last: dict[str, Any]) -> str:
    """Whether it was early stopping, and what to type."""
    patience = [
        state["patience"]
        for name, state in last["callbacks"].items()
        if name.startswith("EarlyStopping") and state["wait_count"] >= state["patience"]
    ]
    if not patience:
        return "trainer.max_time, or a callback, has stopped it, and would again. Choose another name=, without that."
    return (
        f"early stopping had waited for {patience[0]} epochs, and more of them would not be trained. Choose another "
        f"name= with a larger callbacks.early_stopping.patience={2 * patience[0]}, or callbacks.early_stopping=null."
    )


def _limit(value: int | None) -> float:
    return math.inf if value is None or value < 0 else value


def _typed(length: Length) -> str:
    return " ".join(f"trainer.{name}={value}" for name, value in length.items() if math.isfinite(_limit(value)))


class NewLength(Callback):
    """Writes the config with the new length into the run's folder, once all is ready to go on."""

    def __init__(self, run: Run, cfg: DictConfig) -> None:
        self.run, self.cfg = run, cfg

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.is_global_zero:
            write_config(self.run.folder, self.cfg)
        length = _typed(length_of(self.cfg)) or "the end that something else sets"
        notice(f"{self.run} goes on after {trainer.current_epoch} epochs, to {length}.")
