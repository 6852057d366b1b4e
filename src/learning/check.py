"""Do net, loss and metrics suit these data? Tried on two examples before anything is learnt."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torchmetrics import Metric

from src.console.messages import UserError, first_line, where
from src.console.screen import notice
from src.learning.loss import Loss
from src.tasks import Task

MISFITS = (RuntimeError, TypeError, IndexError, ValueError, UserWarning)  # by which torch says that shapes do not fit


def check_net(name: str, net: Callable[[Tensor], Tensor], task: Task, x: Tensor) -> Tensor:
    """Try `net`, called `name`, on x (2, *input_shape); returns its outputs.

    Raises:
        UserError: it cannot read x, or its outputs have another shape than the task needs.
    """
    shape = list(x.shape[1:])
    try:
        outputs = net(x)
    except MISFITS as error:
        reason = f"{where(error)}: {first_line(error)}"
        raise UserError(f"net: {name} cannot read data of shape {shape}. {reason}.") from error
    if not isinstance(outputs, Tensor):
        raise UserError(f"net: {name} answers a {type(outputs).__name__}, not a tensor.")
    needed = [len(x), *task.output_shape]
    if list(outputs.shape) != needed:
        raise UserError(
            f"net: {name} answers {list(outputs.shape)} for {len(x)} examples, but these data need {needed}."
        )
    return outputs


def check_loss(name: str, loss: Loss, task: Task, outputs: Tensor, y: Tensor) -> None:
    """Try a loss of the user's on the outputs for two examples and their y.

    Raises:
        UserError: it cannot compare outputs with targets, or learns nothing from them.
    """
    kind = task.summary()[0]
    outputs = (outputs.float() + 1).requires_grad_()
    target = torch.zeros_like(task.target(y))
    if target.is_floating_point():
        target = target.float()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Using a target size")  # it would be stretched to fit
            value = loss(outputs, target)
    except MISFITS as error:
        raise UserError(f"loss: {name} does not suit a {kind} task: {first_line(error)}.") from error
    if not isinstance(value, Tensor) or value.shape:
        what = f"{list(value.shape)} values" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise UserError(f"loss: {name} gives {what}, not one number in a tensor.")
    if not (value.requires_grad and torch.autograd.grad(value, outputs)[0].any()):
        raise UserError(f"loss: {name} does not suit a {kind} task: whatever the outputs, it is {value.item():g}.")


def check_metrics(metrics: Mapping[str, Metric], task: Task, outputs: Tensor, y: Tensor) -> None:
    """Try the user's metrics on the predictions for two examples.

    Raises:
        UserError: one cannot compare predictions with y, or gives more than one number.
    """
    for name, metric in metrics.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of two examples only
                metric.update(task.predictions(outputs.float()), task.truth(y))
                value = metric.compute()
        except MISFITS as error:
            kind = task.summary()[0]
            raise UserError(f"metrics.{name}: does not suit a {kind} task: {first_line(error)}.") from error
        if not isinstance(value, Tensor) or value.numel() != 1:
            what = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise UserError(f"metrics.{name} gives {what}, not one number.")
        metric.reset()


def tell_probabilities(name: str, net: nn.Module, task: Task, outputs: Tensor, x: Tensor) -> None:
    """Say so if the outputs of a net for x (B, *input_shape) are between 0 and 1, and stay there however large x is.

    And with any of its parameters negated: what a last linear layer answers may lie there by chance.
    """

    def are_between(outputs: Tensor) -> bool:
        return bool((outputs >= 0).all() and (outputs <= 1).all() and outputs.any())

    if task.target_kind == "values" or not x.is_floating_point():
        return
    if not (are_between(outputs) and are_between(net(100 * x)) and are_between(net(-100 * x))):
        return
    if all(are_between(functional_call(net, {name: -values}, (x,))) for name, values in net.named_parameters()):
        notice(
            f"net: {name} answers numbers between 0 and 1 only. The loss makes probabilities of its outputs by itself: "
            "leave out a last softmax or sigmoid."
        )
