"""Losses: outputs and target -> one number. The backward begins here, with dL/dL = 1."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from src.console.messages import UserError


class MSEFunction(Function):
    """``L = mean of (outputs - target)^2``: outputs and target of one shape -> a scalar."""

    @staticmethod
    def forward(ctx: Any, outputs: Tensor, target: Tensor) -> Tensor:
        error = outputs - target
        ctx.save_for_backward(error)
        return (error**2).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        (error,) = ctx.saved_tensors
        grad_outputs = grad * 2 * error / error.numel()
        return grad_outputs, -grad_outputs


class CrossEntropyFunction(Function):
    """``L = mean over the batch of -log p[target]``, p = softmax(outputs): outputs (B, C), target (B,) -> a scalar."""

    @staticmethod
    def forward(ctx: Any, outputs: Tensor, target: Tensor) -> Tensor:
        outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))  # float16 is too coarse for the sum
        # log p = outputs - log(sum of e^outputs). With the greatest output taken from all, p is the same, no exponent
        # is above 0 and the sum at least 1: nothing overflows, and no logarithm is of 0.
        shifted = outputs - outputs.amax(dim=1, keepdim=True)
        log_p = shifted - shifted.exp().sum(dim=1, keepdim=True).log()  # (B, C)
        ctx.save_for_backward(log_p, target)
        return -log_p.gather(1, target.unsqueeze(1)).mean()  # of each row the entry of its target: (B, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        # -log p[t] = log(sum of e^outputs) - outputs[t]; by output c that is p[c] for the first part, and -1 for the
        # second where c = t: what the net says, less what is true.
        log_p, target = ctx.saved_tensors
        truth = torch.zeros_like(log_p).scatter(1, target.unsqueeze(1), 1.0)  # (B, C), a 1 in each row
        return grad * (log_p.exp() - truth) / len(target), None  # class numbers have no gradient


class MSELoss(nn.Module):
    """The mean squared error, as `torch.nn.MSELoss`: outputs and target of one shape -> a scalar.

    Raises:
        UserError: the shapes differ.
    """

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        if outputs.shape != target.shape:
            raise UserError(
                f"MSELoss compares value by value, but the outputs are {list(outputs.shape)} "
                f"and the target is {list(target.shape)}. For class numbers use CrossEntropyLoss."
            )
        return MSEFunction.apply(outputs, target)


class CrossEntropyLoss(nn.Module):
    """Cross-entropy, as `torch.nn.CrossEntropyLoss`: outputs (B, C), C >= 2, class numbers (B,) of int64 -> a scalar.

    Raises:
        UserError: there is not one output for each class, or not one class number for each example.
    """

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        if outputs.dim() != 2 or outputs.shape[1] < 2 or target.shape != outputs.shape[:1]:
            raise UserError(
                "CrossEntropyLoss needs outputs (B, C) of at least 2 classes and class numbers (B,), "
                f"but the outputs are {list(outputs.shape)} and the target is {list(target.shape)}."
            )
        return CrossEntropyFunction.apply(outputs, target)
