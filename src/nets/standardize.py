"""Values to mean 0 and deviation 1, and back."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from src.console.messages import UserError


class Standardize(nn.Module):
    """``(x - mean) / std``: by channel for images (C, H, W), else by the last axis.

    Until `learn` it leaves x as it is. A value that never changes has its mean taken away only.

    Args:
        shape: of one example; None for a size that varies.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, shape: tuple[int | None, ...]) -> None:
        super().__init__()
        self.axis = 0 if len(shape) == 3 else len(shape) - 1
        self.varies = bool(shape) and shape[self.axis] is None
        broadcast = [size or 1 if axis == self.axis else 1 for axis, size in enumerate(shape)]
        self.register_buffer("mean", torch.zeros(broadcast))
        self.register_buffer("std", torch.ones(broadcast))
        self.forget()

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std

    def inverse(self, x: Tensor) -> Tensor:
        return x * self.std + self.mean

    def forget(self) -> None:
        """Take the next batch to learn from as the first."""
        nothing = torch.zeros(self.mean.shape, dtype=torch.double)
        self.count, self.exact_mean, self.squares = 0, nothing, nothing

    def learn(self, batch: Tensor) -> None:
        """Take in one more batch (B, *shape) for mean and deviation, in one pass (Chan, Golub & LeVeque 1983).

        Raises:
            UserError: a value is nan or infinite, or the values cannot be told apart by their place.
        """
        if self.varies:
            raise UserError("The last size of x varies, so there is no mean for each of its places: standardize=false.")
        axes = [0, *(a + 1 for a in range(self.mean.dim()) if a != self.axis)]
        batch = batch.double()
        size = batch.numel() // self.mean.numel()
        batch_mean = batch.mean(dim=axes).reshape(self.mean.shape)
        change = batch_mean - self.exact_mean
        self.count += size
        self.exact_mean = self.exact_mean + change * size / self.count
        self.squares = self.squares + ((batch - batch_mean) ** 2).sum(dim=axes).reshape(self.mean.shape)
        self.squares = self.squares + change**2 * size * (self.count - size) / self.count
        if not (self.exact_mean.isfinite() & self.squares.isfinite()).all():
            raise UserError("The training examples hold values that are nan or infinite.")
        std = (self.squares / self.count).sqrt()
        varies = std > 1e-7 * self.exact_mean.abs().clamp(min=1e-30)
        self.mean.copy_(self.exact_mean)
        self.std.copy_(torch.where(varies, std, torch.ones_like(std)))
