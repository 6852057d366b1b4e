"""Which metrics there are: built, and asked for by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from torchmetrics import Metric

from src.config.build import build, parameters_of
from src.console.messages import UserError, nearest
from src.tasks import Task

Mode = Literal["min", "max"]  # whether a smaller or a larger value is better


def build_metrics(specs: Mapping[str, dict[str, Any]], task: Task, split: str) -> dict[str, Metric]:
    """The task's own metrics, of train only the cheap ones, and those of `specs`; what they must know is filled in.

    Raises:
        UserError: one is called as the loss, or is no metric of torchmetrics.
    """
    metrics = {name: metric for name, metric in task.metrics().items() if split != "train" or name not in task.dear}
    for name, spec in specs.items():
        if name == "loss":
            raise UserError("metrics.loss: so the loss itself is called. Choose another name.")
        if not isinstance(spec, dict) or "_target_" not in spec:
            example = f"metrics.{name}._target_=torchmetrics.CohenKappa"
            raise UserError(f"metrics.{name}={spec}: name a metric, such as {example}.")
        takes, _ = parameters_of(f"metrics.{name}", spec["_target_"])
        filled = {key: value for key, value in task.metric_parameters.items() if key in takes and key not in spec}
        metric = build(spec, f"metrics.{name}", **filled)
        if not isinstance(metric, Metric):
            raise UserError(f"metrics.{name}: {spec['_target_']} is no torchmetrics.Metric.")
        metrics[name] = metric
    return metrics


def check_measured(key: str, monitor: str, names: Iterable[str]) -> None:
    """Raise UserError if `monitor`, which `key` names, is none of the metrics `names`."""
    names = list(names)
    of_val = monitor.replace("train/", "val/")
    if monitor not in names and of_val in names:
        raise UserError(f"{key}={monitor} is not measured in training, but in validation. Did you mean {of_val!r}?")
    if monitor not in names:
        hint = nearest(monitor, names) or f" There are {', '.join(names)}."
        raise UserError(f"{key}={monitor} is not measured.{hint}")


def known_mode(monitor: str, mode: Mode | None) -> Mode:
    """`mode`, or that of a loss. Raises UserError if nobody knows it."""
    if mode is None and monitor.endswith("loss"):
        return "min"
    if mode is None:
        raise UserError(f"mode=null: {monitor} does not say whether smaller or larger is better: mode=min or mode=max.")
    return mode
