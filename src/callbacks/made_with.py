"""In every checkpoint: what the run was made with."""

from __future__ import annotations

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.trainer.states import TrainerFn

from src.console.screen import notice
from src.datamodule import data_of

CODE = ("git", "uncommitted", "versions")


class MadeWith(Callback):
    """`facts`, to which the data's fingerprint is added, as `made_with` in every checkpoint.

    A run that goes on keeps those that it began with, but for the command that has given it more epochs. If its code
    is another now it says so, and keeps that of now too, as `went_on_with`.
    """

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.facts["fingerprint"] = data_of(trainer).description.fingerprint

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["made_with"] = self.facts

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        if trainer.state.fn != TrainerFn.FITTING or not self.facts:
            return
        now, began = dict(self.facts), checkpoint.get("made_with", {})
        self.facts.update(began)
        if "went_on_from" in now:  # it was given more epochs
            self.facts.update({name: now[name] for name in ("command", "went_on_from")})
        if began and (others := other_code(began, now)):
            self.facts["went_on_with"] = {name: now[name] for name in CODE}
            notice(f"The run goes on with other code than it began with: {', '.join(others)}.")


def other_code(began: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What of the code differs in two `made_with` or results.json, whatever stands in them, as far as both know it."""
    before, after = _code(began), _code(now)
    known = [part for part in before if before[part] is not None and after.get(part) is not None]
    said = [
        f"{part} {str(after[part])[:12]} (it was {str(before[part])[:12]})"
        for part in known
        if after[part] != before[part]
    ]
    if "uncommitted" in began and "uncommitted" in now and began["uncommitted"] != now["uncommitted"]:
        said.append("other changes that are not committed")
    return said


def _code(facts: dict[str, Any]) -> dict[str, Any]:
    git, versions = ({} if not isinstance(facts.get(name), dict) else facts[name] for name in ("git", "versions"))
    return {"commit": git.get("commit"), **versions}
