"""How often classes and labels apply, counted batch by batch, and the weights by which all count alike."""

from __future__ import annotations

import torch
from torch import Tensor


class ClassCounts:
    """Of `size` classes, each by its number."""

    def __init__(self, size: int) -> None:
        self.counts = torch.zeros(size, dtype=torch.long)

    def add(self, truth: Tensor) -> None:
        """Take in the next batch: class numbers in any shape."""
        self.counts += truth.flatten().bincount(minlength=len(self.counts))

    def balanced_weight(self) -> Tensor:
        """That of each class, (size,)."""
        return self.counts.sum() / (len(self.counts) * self.counts.clamp(min=1))


class LabelCounts:
    """Of `size` labels, of which each applies (1) or does not (0)."""

    def __init__(self, size: int) -> None:
        self.ones, self.examples = torch.zeros(size, dtype=torch.long), 0

    def add(self, truth: Tensor) -> None:
        """Take in the next batch: labels (B, size)."""
        self.ones += truth.sum(dim=0)
        self.examples += len(truth)

    def balanced_weight(self) -> Tensor:
        """That of each label's ones, beside its zeros, (size,): as many times as these are more."""
        return (self.examples - self.ones) / self.ones.clamp(min=1)
