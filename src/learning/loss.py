"""The loss of a run: the task's own, or one by name; with weights for the classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from src.config.build import build
from src.console.messages import UserError
from src.tasks import Task

Loss = Callable[[Tensor, Tensor], Tensor]


class WeightedTaskLoss(nn.Module):
    """The task's own loss, with a weight for each class or label."""

    weight: Tensor

    def __init__(self, task: Task, weight: Tensor) -> None:
        super().__init__()
        self.task_loss = task.loss  # of a bound method nn.Module keeps no second copy of the task
        self.register_buffer("weight", weight)

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        return self.task_loss(outputs, target, self.weight)


def build_loss(spec: dict[str, Any] | None, task: Task) -> Loss:
    """What is called with outputs and targets.

    Args:
        spec: of a loss such as torch.nn.HuberLoss; without a `_target_` the task's own. Its `weight` is that of each
            class, as a list; balanced: counted later, see `is_balanced`.

    Raises:
        UserError: weights of another number than the task has classes.
    """
    spec = {key: value for key, value in (spec or {}).items() if key != "weight" or value is not None}
    if "weight" in spec:
        spec["weight"] = _weight(spec["weight"], task)
    if "_target_" in spec:
        return build(spec, "loss")
    return WeightedTaskLoss(task, spec["weight"]) if "weight" in spec else task.loss


def loss_of_members(
    loss: Loss, outputs: Tensor, target: Tensor, output_shape: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """The loss, and outputs (B, *output_shape): of an ensemble in one net, (B, K, *output_shape), each of the K members
    learns for itself, and their mean is the answer.
    """
    if outputs.dim() <= 1 + len(output_shape):
        return loss(outputs, target), outputs
    members = outputs.shape[1]
    return loss(outputs.flatten(0, 1), target.repeat_interleave(members, dim=0)), outputs.mean(dim=1)


def is_balanced(spec: dict[str, Any] | None) -> bool:
    """Whether the weights are to be counted from the training split."""
    return bool(spec) and spec.get("weight") == "balanced"


def _weight(weight: Any, task: Task) -> Any:
    count = task.metric_parameters.get("num_classes", task.metric_parameters.get("num_labels"))
    if isinstance(weight, dict):  # a spec of a tensor
        return weight
    if count is None:
        raise UserError(f"loss.weight={weight}: a {task.summary()[0]} has no classes to be weighed.")
    if weight == "balanced":
        return torch.ones(count)
    if not isinstance(weight, list) or len(weight) != count or not all(isinstance(w, (int, float)) for w in weight):
        raise UserError(f"loss.weight={weight}: balanced is needed, or a list of {count} numbers, one for each class.")
    return torch.tensor(weight, dtype=torch.get_default_dtype())
