"""Dropout: no unit may rely on another to be there (Srivastava et al. 2014)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from src.console.messages import UserError


class DropoutFunction(Function):
    """``y = x * mask``, of one shape: what did not go forward has no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor) -> Tensor:
        ctx.save_for_backward(mask)
        return x * mask

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (mask,) = ctx.saved_tensors
        return grad * mask, None


class Dropout(nn.Module):
    """Training sets values to 0 at random; evaluation leaves x as it is. As `torch.nn.Dropout`; any shape.

    What is kept is divided by the share kept, so that the expected value is x: evaluation need not scale.

    Args:
        p: the probability of each value to be set to 0, in [0, 1].

    Raises:
        UserError: p is no probability.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise UserError(f"a dropout of {p} is no probability: it is from 0 to 1.")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        kept = torch.empty_like(x).bernoulli_(1 - self.p)  # 1 with probability 1 - p, else 0
        return DropoutFunction.apply(x, kept / (1 - self.p) if self.p < 1 else kept)
