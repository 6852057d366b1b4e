"""Does this net suit these data? Tried before anything is learnt."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from src.cli.errors import where

if TYPE_CHECKING:
    from src.module import SupervisedModule


def check_net(module: SupervisedModule, x: Tensor) -> None:
    """Try the net, and a loss of the user's, on x (2, *input_shape).

    Raises:
        ValueError: the net cannot read x, or answers in another shape; the loss cannot compare scores with targets.
    """
    h, net = module.hparams, module.hparams.net["_target_"]
    if not isinstance(module.net, nn.Module):
        raise ValueError(f"net: {net} is no torch.nn.Module.")
    try:
        scores = module.try_net(x, in_precision=False)
    except (RuntimeError, TypeError, IndexError, ValueError) as error:
        reason = f"{where(error)}: {str(error).strip().splitlines()[0]}"
        raise ValueError(f"net: {net} cannot read data of shape {h.input_shape}. {reason}") from error
    if not isinstance(scores, Tensor):
        raise ValueError(f"net: {net} answers a {type(scores).__name__}, not a tensor.")
    if scores.shape != (len(x), h.output_size):
        raise ValueError(
            f"net: {net} answers {list(scores.shape)} for {len(x)} examples, "
            f"but these data need {[len(x), h.output_size]}."
        )
    if h.loss:
        _check_loss(module, scores)


def _check_loss(module: SupervisedModule, scores: Tensor) -> None:
    h, loss = module.hparams, module.hparams.loss["_target_"]
    scores = (scores.float() + 1).requires_grad_()
    target = torch.zeros_like(scores) if h.task == "regression" else torch.zeros_like(scores[:, 0]).long()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Using a target size")  # it would be stretched to fit
            value = module.loss(scores, target)
    except (RuntimeError, TypeError, IndexError, ValueError, UserWarning) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"loss: {loss} does not suit a {h.task} task: {reason}") from error
    if not isinstance(value, Tensor) or value.shape:
        given = f"{list(value.shape)} values" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise ValueError(f"loss: {loss} gives {given}, not one number in a tensor.")
    if not (value.requires_grad and torch.autograd.grad(value, scores)[0].any()):
        raise ValueError(f"loss: {loss} does not suit a {h.task} task: whatever the scores, it is {value.item():g}.")
