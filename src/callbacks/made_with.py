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

    A run that goes on keeps those that it began with. If its code is another now it says so, and keeps that of now too,
    as `went_on_with`.
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
        if began and (others := other_code(began, now)):
            self.facts["went_on_with"] = {name: now[name] for name in CODE}
            notice(f"The run goes on with other code than it began with: {', '.join(others)}.")


def other_code(began: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs in two results.json or `made_with`, as the user would say it; what is not known differs in nothing.

    Raises nothing, whatever stands in them.
    """
    said = []
    for name, shown in (("git", "commit"), ("versions", None)):
        before, after = (facts.get(name) if isinstance(facts.get(name), dict) else {} for facts in (began, now))
        for part in before.keys() & after.keys() - {"dirty"}:
            if None not in (before[part], after[part]) and before[part] != after[part]:
                said.append(f"{shown or part} {str(after[part])[:12]} (it was {str(before[part])[:12]})")
    if "uncommitted" in began and "uncommitted" in now and began["uncommitted"] != now["uncommitted"]:
        said.append("other changes that are not committed")
    return said
