"""Specs -> an optimizer and its learning-rate schedule, as Lightning wants them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import lightning as L
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from src.config.build import build
from src.config.check import LENGTHS, TIMING
from src.console.messages import UserError
from src.console.screen import notice
from src.learning.metrics import Mode
from src.learning.net import matching


def build_optimizer(spec: dict[str, Any], module: nn.Module, trainer: L.Trainer) -> Optimizer:
    """The optimizer of the parameters that learn; `fused: None` becomes True where the precision allows it.

    `groups` gives parameters by name pattern options of their own: ``[{parameters: layers.0*, lr: 0.0001}]``.
    """
    spec = dict(spec)
    groups = spec.pop("groups", None) or []
    _check_above_0("optimizer", spec, ("lr",))
    if "fused" in spec and spec["fused"] is None:
        spec["fused"] = "mixed" not in str(trainer.precision)  # there Lightning could not clip gradients
    return build(spec, "optimizer", parameter_groups(module, groups))


def parameter_groups(module: nn.Module, groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Parameters that learn, each in the first of `groups` that its name matches, else in the last one, of the rest.

    Raises:
        UserError: a group without a pattern, or one that matches no parameter.
    """
    left = {name.removeprefix("net."): p for name, p in module.named_parameters() if p.requires_grad}
    result = []
    if not isinstance(groups, list) or not all(isinstance(group, dict) and "parameters" in group for group in groups):
        raise UserError(
            f"optimizer.groups={groups}: a list is needed, such as [{{parameters: layers.0*, lr: 0.0001}}]."
        )
    if not left:
        raise UserError(
            "net: it has no parameters that learn. Layers in a Python list are not seen: nn.ModuleList([...]) is."
        )
    for group in groups:
        pattern = str(group["parameters"])
        names = matching(pattern, list(left), "optimizer.groups")
        options = {key: value for key, value in group.items() if key != "parameters"}
        result.append({"params": [left.pop(name) for name in names], **options})
    return [*result, {"params": list(left.values())}] if left else result


def build_schedule(
    spec: Mapping[str, Any],
    optimizer: Optimizer,
    trainer: L.Trainer,
    mode_of: Callable[[str], Mode],
) -> dict[str, Any]:
    """The scheduler of a spec with Lightning's interval, frequency and monitor; a length of None is counted.

    Args:
        mode_of: metric -> whether a smaller or a larger one is better, where `mode` is None.

    Raises:
        UserError: a value out of its range, a length that nobody knows, a plateau without a metric to watch.
    """
    timing = {key: spec[key] for key in TIMING if key in spec}
    options = {key: value for key, value in spec.items() if key not in TIMING}
    if timing.get("frequency", 1) < 1:
        raise UserError(f"scheduler.frequency={timing['frequency']}: at least 1.")
    _check_above_0("scheduler", options, ("max_lr", "step_size", *LENGTHS))
    for length in LENGTHS:
        if length in options and options[length] is None:
            options[length] = _steps(trainer, **timing)
    if "mode" in options and options["mode"] is None:
        if timing["monitor"] is None:
            raise UserError("scheduler.monitor=null: this scheduler needs a metric to watch, such as val/loss.")
        options["mode"] = mode_of(timing["monitor"])
    # Plateau is no exception to Lightning, since the module steps it itself.
    return {"scheduler": build(options, "scheduler", optimizer), "reduce_on_plateau": False, **timing}


def as_long_as_the_run(
    scheduler: Any, spec: Mapping[str, Any], trainer: L.Trainer, mode_of: Callable[[str], Mode]
) -> Any:
    """The schedule of a run that goes on.

    If its length was counted, and the run was given more epochs since, it is that of the longer run after as many
    steps: the optimizer's learning rates become what they would be in a run that had this length from its beginning.
    """
    counted = [name for name in LENGTHS if name in spec and spec[name] is None]
    length = _steps(trainer, **{key: spec[key] for key in TIMING if key in spec}) if counted else 0
    if all(getattr(scheduler, name, length) == length for name in counted):
        return scheduler
    for group in scheduler.optimizer.param_groups:
        group["lr"] = group["initial_lr"]
    longer = build_schedule(spec, scheduler.optimizer, trainer, mode_of)["scheduler"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the optimizer has taken these steps before
        for _ in range(scheduler.last_epoch):
            longer.step()
    rates = ", ".join(f"{group['lr']:.3g}" for group in scheduler.optimizer.param_groups)
    notice(f"The learning rate follows the schedule of the longer run from here, where that is at {rates}.")
    return longer


def _check_above_0(part: str, spec: Mapping[str, Any], names: Iterable[str]) -> None:
    """Raise UserError if one of these is a number with which nothing would be learnt, or no step counted."""
    for name in names:
        if isinstance(value := spec.get(name), (int, float)) and value <= 0:
            raise UserError(f"{part}.{name}={value}: a number above 0 is needed.")


def _steps(trainer: L.Trainer, interval: str = "epoch", frequency: int = 1, **_: Any) -> int:
    """How often the scheduler steps in the whole run. Raises UserError if nobody knows how long that is."""
    steps = trainer.estimated_stepping_batches
    if math.isinf(steps):
        raise UserError("This scheduler needs the run's length: set trainer.max_epochs, or use scheduler=plateau.")
    if interval == "epoch":
        steps = trainer.max_epochs
    return max(1, int(steps or 0) // frequency)


def is_plateau(scheduler: Any) -> bool:
    """Whether it waits for a metric to stop improving, and is stepped by the module."""
    return isinstance(scheduler, ReduceLROnPlateau)
