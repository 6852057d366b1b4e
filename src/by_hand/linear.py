"""The linear layer, and what turns an image into its input."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class LinearFunction(Function):
    """``y = x W^T + b``: x (B, I), weight (O, I), bias (O,) or None -> (B, O)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        y = x @ weight.T
        return y if bias is None else y + bias

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        # y[b, o] = sum over i of x[b, i] weight[o, i], plus bias[o]. So x[b, i] reaches the loss through every o, and
        # weight[o, i] through every example b: what one value did in several places adds up.
        x, weight = ctx.saved_tensors
        grad_x = grad @ weight  # (B, O) (O, I) -> (B, I)
        grad_weight = grad.T @ x  # (O, B) (B, I) -> (O, I)
        grad_bias = grad.sum(dim=0) if ctx.needs_input_grad[2] else None  # a bias of None has no gradient
        return grad_x, grad_weight, grad_bias


class Linear(nn.Module):
    """(B, I) -> (B, O), as `torch.nn.Linear`.

    Args:
        in_features: I.
        out_features: O.
        bias: add a learnt value to each output.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(uniform((out_features, in_features), fan_in=in_features))
        self.bias = nn.Parameter(uniform((out_features,), fan_in=in_features)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return LinearFunction.apply(x, self.weight, self.bias)


def uniform(shape: tuple[int, ...], fan_in: int) -> Tensor:
    """Initial weights, uniform in +-1 / sqrt(fan_in) as torch.nn draws them; fan_in inputs make one output.

    A sum of fan_in terms grows as sqrt(fan_in), so that outputs are of one size whatever the size of the layer (LeCun
    et al. 1998).
    """
    bound = 1 / math.sqrt(fan_in)
    return torch.empty(shape).uniform_(-bound, bound)


class FlattenFunction(Function):
    """x (B, ...) -> (B, F): the same values in another shape, and so is the gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.shape = x.shape
        return x.reshape(len(x), math.prod(x.shape[1:]))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad.reshape(ctx.shape)


class Flatten(nn.Module):
    """(B, ...) -> (B, F), as `torch.nn.Flatten`."""

    def forward(self, x: Tensor) -> Tensor:
        return FlattenFunction.apply(x)
