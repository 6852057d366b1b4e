"""Specs -> an optimizer and its learning-rate schedule, as Lightning wants them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import lightning as L
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from src.config.build import COUNTED, TIMING, blamed_on, build


def build_optimizer(spec: dict[str, Any], parameters: Iterable[nn.Parameter], trainer: L.Trainer) -> Optimizer:
    """The optimizer of a spec; `fused: None` becomes True where the precision allows it."""
    if "fused" in spec and spec["fused"] is None:
        spec = {**spec, "fused": "mixed" not in str(trainer.precision)}  # there Lightning could not clip gradients
    with blamed_on("optimizer"):
        return build(spec, parameters)


def build_schedule(spec: dict[str, Any], optimizer: Optimizer, trainer: L.Trainer) -> dict[str, Any]:
    """The scheduler of a spec with Lightning's interval, frequency and monitor; a length of None is counted.

    Raises:
        ValueError: a value out of its range, a length that nobody knows, a plateau without a score to watch.
    """
    spec = dict(spec)
    timing = {key: spec.pop(key) for key in TIMING if key in spec}
    if timing.get("frequency", 1) < 1:
        raise ValueError(f"scheduler.frequency={timing['frequency']}: at least 1.")
    for length in COUNTED:
        if length in spec and spec[length] is None:
            spec[length] = _steps(trainer, **timing)
    with blamed_on("scheduler"):
        scheduler = build(spec, optimizer)
    if isinstance(scheduler, ReduceLROnPlateau) and timing["monitor"] is None:
        raise ValueError("scheduler.monitor=null: this scheduler needs a score to watch, such as val/loss.")
    # Plateau is no exception to Lightning, since the module steps it itself.
    return {"scheduler": scheduler, "reduce_on_plateau": False, **timing}


def _steps(trainer: L.Trainer, interval: str = "epoch", frequency: int = 1, **_: Any) -> int:
    """How often the scheduler steps in the whole run."""
    steps = trainer.estimated_stepping_batches
    if math.isinf(steps):
        raise ValueError("This scheduler needs the run's length: set trainer.max_epochs, or use scheduler=plateau.")
    if interval == "epoch":
        steps = trainer.max_epochs
    return max(1, int(steps or 0) // frequency)
