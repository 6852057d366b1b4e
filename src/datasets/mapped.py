"""Rows of an array in a file, read where they lie: what no one asks for takes no memory."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any, Literal

import numpy as np

AROUND = 2**21  # bytes that the system may map around a row, however short that is
MOST = 2**27  # bytes that stay mapped


class MappedRows:
    """`rows[indices]` is a copy of those rows of an array (N, ...), from byte `offset` of a file on.

    Mapped pages count as memory of this process, so they are given back before they are more than 128 MiB; the system
    keeps what it can in its cache.

    Args:
        order: C: one row after the other; F: one column after the other.
    """

    def __init__(
        self, path: str | Path, dtype: Any, shape: tuple[int, ...], offset: int = 0, order: Literal["C", "F"] = "C"
    ) -> None:
        self.arguments = (str(path), np.dtype(dtype), tuple(shape), offset, order)
        self.dtype, self.shape, self.mapped = np.dtype(dtype), tuple(shape), 0
        if 0 in self.shape:  # an empty file cannot be mapped
            self.pages, self.array = None, np.empty(self.shape, self.dtype)
            return
        with Path(path).open("rb") as file:
            self.pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.array = np.ndarray(self.shape, self.dtype, buffer=self.pages, offset=offset, order=order)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: slice | np.ndarray | list[int]) -> np.ndarray:
        if isinstance(indices, slice):
            rows = np.array(self.array[indices])
            self._count(rows.nbytes)
            return rows
        indices = np.asarray(indices)
        rows = np.empty((len(indices), *self.shape[1:]), self.dtype)
        step = max(1, MOST // AROUND)
        for start in range(0, len(indices), step):
            some = slice(start, start + step)
            rows[some] = self.array[indices[some]]
            self._count(max(AROUND * len(rows[some]), rows[some].nbytes))
        return rows

    def _count(self, touched: int) -> None:
        self.mapped += touched
        if self.mapped >= MOST and self.pages is not None:
            self.pages.madvise(mmap.MADV_DONTNEED)  # they come again from the file when they are asked for
            self.mapped = 0

    def __reduce__(self) -> tuple[Any, ...]:
        """A loading process maps the file anew, rather than getting a copy of it."""
        return MappedRows, self.arguments
