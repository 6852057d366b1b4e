"""Examples held in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.utils.data import Dataset


class InMemory(Dataset):
    """x (N, ...) and y: (N, K) values of a regression, or (N,) class numbers.

    Args:
        classes: the classes' names by number; None for a regression.
        target: the name of y, for pictures.
        splits: ready-made ones, indices by "train", "val" and "test".
        reader: the spec of what reads new x from files.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        classes: Sequence[str] | None = None,
        target: str = "y",
        splits: dict[str, Tensor] | None = None,
        reader: dict[str, Any] | None = None,
    ) -> None:
        self.x, self.y, self.target = x, y, target
        self.classes = None if classes is None else list(classes)
        self.labels = None if y.is_floating_point() else y
        self.splits, self.reader = splits, reader

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.x[index], self.y[index]

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        """A whole batch at once: B times as fast as B examples that are then put together."""
        return self.x[indices], self.y[indices]
