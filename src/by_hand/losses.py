"""Losses: scores and target -> one number. The backward begins here, with dL/dL = 1."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class MSEFunction(Function):
    """``L = mean of (scores - target)^2``: scores and target of one shape -> a scalar."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, target: Tensor) -> Tensor:
        error = scores - target
        ctx.save_for_backward(error)
        return (error**2).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        (error,) = ctx.saved_tensors
        grad_scores = grad * 2 * error / error.numel()
        return grad_scores, -grad_scores


class CrossEntropyFunction(Function):
    """``L = mean over the batch of -log p[target]``, p = softmax(scores): scores (B, C), target (B,) -> a scalar."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, target: Tensor) -> Tensor:
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))  # float16 is too coarse for the sum
        # log p = scores - log(sum of e^scores). With the greatest score taken from all, p is the same, no exponent is
        # above 0 and the sum at least 1: nothing overflows, and no logarithm is of 0.
        shifted = scores - scores.amax(dim=1, keepdim=True)
        log_p = shifted - shifted.exp().sum(dim=1, keepdim=True).log()  # (B, C)
        ctx.save_for_backward(log_p, target)
        return -log_p.gather(1, target.unsqueeze(1)).mean()  # of each row the entry of its target: (B, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        # -log p[t] = log(sum of e^scores) - scores[t]; by score c that is p[c] for the first part, and -1 for the
        # second where c = t: what the net says, less what is true.
        log_p, target = ctx.saved_tensors
        truth = torch.zeros_like(log_p).scatter(1, target.unsqueeze(1), 1.0)  # (B, C), a 1 in each row
        return grad * (log_p.exp() - truth) / len(target), None  # class numbers have no gradient


class MSELoss(nn.Module):
    """The mean squared error, as `torch.nn.MSELoss`: scores and target of one shape -> a scalar.

    Raises:
        ValueError: the shapes differ.
    """

    def forward(self, scores: Tensor, target: Tensor) -> Tensor:
        if scores.shape != target.shape:
            raise ValueError(
                f"MSELoss compares value by value, but the scores are {list(scores.shape)} "
                f"and the target is {list(target.shape)}. For class numbers use CrossEntropyLoss."
            )
        return MSEFunction.apply(scores, target)


class CrossEntropyLoss(nn.Module):
    """Cross-entropy, as `torch.nn.CrossEntropyLoss`: scores (B, C), C >= 2, class numbers (B,) of int64 -> a scalar.

    Raises:
        ValueError: there is not one score for each class, or not one class number for each example.
    """

    def forward(self, scores: Tensor, target: Tensor) -> Tensor:
        if scores.dim() != 2 or scores.shape[1] < 2 or target.shape != scores.shape[:1]:
            raise ValueError(
                "CrossEntropyLoss needs scores (B, C) of at least 2 classes and class numbers (B,), "
                f"but the scores are {list(scores.shape)} and the target is {list(target.shape)}."
            )
        return CrossEntropyFunction.apply(scores, target)
