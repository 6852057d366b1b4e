"""Activations: y[i] = f(x[i]), so that dL/dx[i] = dL/dy[i] f'(x[i]). The shape stays."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class ReLUFunction(Function):
    """``y = max(x, 0)``. Its slope is 1 above 0 and 0 below; at 0 itself, where it has none, 0 is taken."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * (x > 0)


class SigmoidFunction(Function):
    """``y = 1 / (1 + e^-x)``, in (0, 1). y' = y (1 - y): the way back needs y only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        small = (-x.abs()).exp()  # e^-x would overflow for x = -1000; this is in (0, 1]
        y = small.where(x < 0, 1) / (1 + small)  # for x < 0 the fraction is expanded by e^x
        ctx.save_for_backward(y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return grad * y * (1 - y)


class TanhFunction(Function):
    """``y = (e^x - e^-x) / (e^x + e^-x)``, in (-1, 1). y' = 1 - y^2."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        # For x > 0 expanded by e^-x: y = (1 - e^-2x) / (1 + e^-2x). expm1 is e^x - 1, exact near 0 too.
        less_one = (-2 * x.abs()).expm1()
        y = x.sign() * -less_one / (2 + less_one)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return grad * (1 - y**2)


class ReLU(nn.Module):
    """max(x, 0), as `torch.nn.ReLU`; any shape."""

    def forward(self, x: Tensor) -> Tensor:
        return ReLUFunction.apply(x)


class Sigmoid(nn.Module):
    """Into (0, 1), as `torch.nn.Sigmoid`; any shape."""

    def forward(self, x: Tensor) -> Tensor:
        return SigmoidFunction.apply(x)


class Tanh(nn.Module):
    """Into (-1, 1), as `torch.nn.Tanh`; any shape."""

    def forward(self, x: Tensor) -> Tensor:
        return TanhFunction.apply(x)
