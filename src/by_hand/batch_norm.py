"""Batch norm: every channel to mean 0 and deviation 1, then to a learnt mean and deviation (Ioffe & Szegedy 2015)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from src.console.messages import UserError

AXES = (0, 2, 3)  # of (B, C, H, W): a channel's N = B H W values


class BatchNormTrainingFunction(Function):
    """``y = weight * z + bias``, z = (x - mean) / std with the batch's own mean and std = sqrt(var + eps).

    x (B, C, H, W), weight and bias (C,) -> y (B, C, H, W), mean and var (C,). The last two are for the running
    statistics: no gradient comes back through them.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        mean = x.mean(dim=AXES, keepdim=True)  # (1, C, 1, 1)
        var = ((x - mean) ** 2).mean(dim=AXES, keepdim=True)
        std = (var + eps).sqrt()
        z = (x - mean) / std
        ctx.save_for_backward(z, std, weight)
        mean, var = mean.flatten(), var.flatten()
        ctx.mark_non_differentiable(mean, var)
        return z * by_channel(weight) + by_channel(bias), mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        z, std, weight = ctx.saved_tensors
        grad_z = grad * by_channel(weight)
        # x reaches z in three ways, for each channel by itself:
        #   directly: dz/dx = 1 / std;
        #   through the mean, which moves every z by -1 / std and has the share 1 / N of each x;
        #   through the variance: dz/dvar = -z / (2 std^2), and dvar/dx = 2 (x - mean) / N = 2 z std / N.
        # (The mean's effect on the variance is 0: the deviations x - mean sum to 0.)
        directly = grad_z
        through_mean = -grad_z.mean(dim=AXES, keepdim=True)
        through_var = -z * (grad_z * z).mean(dim=AXES, keepdim=True)
        return (directly + through_mean + through_var) / std, (grad * z).sum(dim=AXES), grad.sum(dim=AXES), None


class BatchNormEvaluationFunction(Function):
    """The same with given mean and var (C,), which x does not move: only the direct way is left."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        std = by_channel((var + eps).sqrt())
        z = (x - by_channel(mean)) / std
        ctx.save_for_backward(z, std, weight)
        return z * by_channel(weight) + by_channel(bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        z, std, weight = ctx.saved_tensors
        grad_x = grad * by_channel(weight) / std
        return grad_x, None, None, (grad * z).sum(dim=AXES), grad.sum(dim=AXES), None


def by_channel(values: Tensor) -> Tensor:
    """(C,) -> (1, C, 1, 1), one for each channel of an image."""
    return values.reshape(1, -1, 1, 1)


class BatchNorm2d(nn.Module):
    """(B, C, H, W) -> (B, C, H, W), as `torch.nn.BatchNorm2d`.

    Training uses the batch's mean and variance and follows them with running ones; evaluation uses the running ones, so
    that the output for an example does not depend on the others.

    Args:
        num_features: C.
        eps: added to the variance, so that a constant channel is not divided by 0.
        momentum: the share of each batch in the running statistics, in [0, 1]; None: all batches have the same.

    Raises:
        UserError: in training, a channel of one value: its deviation is 0 whatever the value.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return BatchNormEvaluationFunction.apply(
                x, self.running_mean, self.running_var, self.weight, self.bias, self.eps
            )
        count = x.numel() // x.shape[1]  # N
        if count == 1:
            raise UserError(
                f"batch norm cannot train on one value per channel, as in {list(x.shape)}. "
                "Give it more than one example at a time: a larger batch, or no last batch of one."
            )
        y, mean, var = BatchNormTrainingFunction.apply(x, self.weight, self.bias, self.eps)
        self._follow(mean, var * count / (count - 1))  # the unbiased estimate of the variance of all data
        return y

    @torch.no_grad()
    def _follow(self, mean: Tensor, var: Tensor) -> None:
        self.num_batches_tracked += 1
        share = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean += share * (mean - self.running_mean)
        self.running_var += share * (var - self.running_var)
