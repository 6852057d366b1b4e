"""Examples held in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from src.console.messages import UserError
from src.datasets.classes import check_labels, numbered, renumbered
from src.datasets.contract import TargetKind
from src.files.checksum import digest, rows_checksum


class InMemory(Dataset):
    """x (N, ...) and y: float (N, K), values or labels, or whole numbers (N,), classes.

    Args:
        classes: the classes' names by number; None: the numbers themselves, or y are no classes.
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
        self.x, self.y, self.raw_y, self.target = x, y, y, target
        self.classes = None if classes is None else list(classes)
        self.labels = None if y.is_floating_point() else y
        self.splits, self.reader = splits or {}, reader

    def read_target(self, kind: TargetKind | None, classes: list[str] | None = None) -> None:
        """Take whole numbers as classes, values or labels; fractions are values.

        Raises:
            UserError: y is of another kind, or holds a class that the run does not know.
        """
        if kind == "class":
            self.y = self.labels = _class_numbers(self.y, self.target)
        elif kind is not None:
            y = self.y if self.y.is_floating_point() else self.y.float()
            self.y, self.labels, self.classes = y if y.ndim > 1 else y.unsqueeze(1), None, None
        if kind == "labels":
            y = self.y.flatten(1)
            check_labels(y, numbered(self.target, y.shape[1]))
        if classes is not None and self.labels is not None:
            names = self.classes or [str(number) for number in range(int(self.labels.max()) + 1)]
            self.y = self.labels = renumbered(self.labels.long(), names, classes, "These data", self.target)
            self.classes = classes

    def fit(self, indices: Tensor) -> None:
        """There is nothing to learn: x is ready."""

    def restore(self, reader: dict[str, Any]) -> None:
        """There is nothing to restore."""

    def fingerprint(self) -> str:
        """Of all of x and y, as they were given."""
        parts = [part.contiguous() for part in (self.x, self.raw_y)]
        return digest([(str(t.dtype), list(t.shape), rows_checksum(t.view(torch.uint8).numpy())) for t in parts])

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.x[index], self.y[index]

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        """A whole batch at once: B times as fast as B examples that are then put together."""
        return self.x[indices], self.y[indices]

    def in_memory(self) -> tuple[Tensor, Tensor]:
        return self.x, self.y


def _class_numbers(y: Tensor, target: str) -> Tensor:
    """(N,), int64."""
    if y.numel() != len(y) or (y.is_floating_point() and (y % 1 != 0).any()):
        raise UserError(f"{target} holds fractions, or several values of an example: these are no classes.")
    return y.reshape(-1).long()
