"""Rows of an array in a file, read where they lie: what no one asks for takes no memory."""

from __future__ import annotations

import math
import mmap
from pathlib import Path
from typing import Any

import numpy as np

WINDOW = 2**16  # bytes; touching one byte of a file maps the pages around it, up to so many
MOST = 2**28  # bytes that stay mapped


class MappedRows:
    """`rows[indices]` is a copy of those rows of a row-major array, from a byte of a file on.

    Mapped pages count as memory of this process, so they are given back after every 256 MiB; the system keeps what it
    can in its cache. For an .npy file: `MappedRows(a.filename, a.dtype, a.shape, a.offset)` of numpy's memory map `a`.
    """

    def __init__(self, path: str | Path, dtype: Any, shape: tuple[int, ...], offset: int = 0) -> None:
        self.arguments = (str(path), np.dtype(dtype), tuple(shape), offset)
        self.dtype, self.shape = np.dtype(dtype), tuple(shape)
        self.row_bytes = math.prod(shape[1:]) * self.dtype.itemsize
        self.offset, self.mapped = offset, 0
        if not shape[0] or not self.row_bytes:  # an empty file cannot be mapped
            self.pages, self.array = None, np.empty(shape, dtype)
            return
        with Path(path).open("rb") as file:
            self.pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.array = np.ndarray(shape, dtype, buffer=self.pages, offset=offset)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: slice | np.ndarray | list[int]) -> np.ndarray:
        rows = np.array(self.array[indices])
        if isinstance(indices, slice):
            self.mapped += rows.nbytes
        else:
            starts = np.asarray(indices) % max(1, len(self)) * self.row_bytes + self.offset
            self.mapped += len(np.unique(starts // WINDOW)) * WINDOW + len(rows) * (self.row_bytes // WINDOW) * WINDOW
        if self.mapped > MOST:
            self.release()
        return rows

    def release(self) -> None:
        """Give all mapped pages back; they come again from the file when they are asked for."""
        self.mapped = 0
        if self.pages is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.pages.madvise(mmap.MADV_DONTNEED)

    def __reduce__(self) -> tuple[Any, ...]:
        """A loading process maps the file anew, rather than getting a copy of it."""
        return MappedRows, self.arguments
