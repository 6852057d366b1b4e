"""Values to mean 0 and deviation 1, and back."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Standardize(nn.Module):
    """``(x - mean) / std``: by channel for images (C, H, W), else by the last axis.

    Until `fit` it leaves x as it is. A value that never changes has its mean taken away only.

    Args:
        shape: of one example.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.axis = 0 if len(shape) == 3 else len(shape) - 1
        broadcast = [size if axis == self.axis else 1 for axis, size in enumerate(shape)]
        self.register_buffer("mean", torch.zeros(broadcast))
        self.register_buffer("std", torch.ones(broadcast))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std

    def inverse(self, x: Tensor) -> Tensor:
        return x * self.std + self.mean

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Learn mean and deviation from batches (B, *shape) in one pass (Chan, Golub & LeVeque 1983).

        Raises:
            ValueError: a value is nan or infinite.
        """
        count, mean, squares = 0, torch.zeros(self.mean.shape).double(), torch.zeros(self.mean.shape).double()
        axes = [0, *(a + 1 for a in range(self.mean.dim()) if a != self.axis)]
        for batch in batches:
            batch = batch.double()
            size = batch.numel() // self.mean.numel()
            batch_mean = batch.mean(dim=axes).reshape(mean.shape)
            change = batch_mean - mean
            count += size
            mean = mean + change * size / count
            squares = squares + ((batch - batch_mean) ** 2).sum(dim=axes).reshape(mean.shape)
            squares = squares + change**2 * size * (count - size) / count
        if not (mean.isfinite() & squares.isfinite()).all():
            raise ValueError("The training examples hold values that are nan or infinite.")
        std = (squares / count).sqrt()
        self.mean.copy_(mean)
        self.std.copy_(torch.where(std > 1e-7 * mean.abs().clamp(min=1e-30), std, torch.ones_like(std)))
