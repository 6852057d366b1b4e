"""Rows of an array in a file, fetched when they are asked for: only these take memory."""

from __future__ import annotations

import math
import os
import weakref
from pathlib import Path
from typing import Any, cast

import numpy as np

from src.console.messages import UserError


class DiskRows:
    """`rows[indices]` and `rows[start:stop]` are those rows of a row-major array, from byte `offset` of a file on.

    They are read, not mapped: mapped pages count as the process' memory, and one touch may map megabytes. For an .npy
    file: `DiskRows(a.filename, a.dtype, a.shape, a.offset)` of numpy's memory map `a`.
    """

    def __init__(self, path: str | Path, dtype: Any, shape: tuple[int, ...], offset: int = 0) -> None:
        self.path, self.dtype, self.shape, self.offset = str(path), np.dtype(dtype), tuple(shape), offset
        self.row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        self.file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))  # or Windows changes the ends of lines
        weakref.finalize(self, os.close, self.file)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: slice | np.ndarray | list[int]) -> np.ndarray:
        if isinstance(indices, slice):
            start, stop, _ = indices.indices(len(self))
            rows, firsts, edges = self._empty(max(0, stop - start)), [start], [0, max(0, stop - start)]
        else:
            wanted = np.asarray(indices, "int64")
            if len(wanted) and not -len(self) <= wanted.min() <= wanted.max() < len(self):
                raise IndexError(f"{self.path} has {len(self)} rows.")
            wanted = wanted % max(1, len(self))
            starts = np.flatnonzero(np.diff(wanted, prepend=-2) != 1)  # of neighbours, which are read together
            rows, firsts, edges = self._empty(len(wanted)), wanted[starts].tolist(), [*starts.tolist(), len(wanted)]
        room = memoryview(cast(Any, rows.reshape(-1).view("uint8")))
        for first, begin, end in zip(firsts, edges, edges[1:], strict=False):
            self._read(room[begin * self.row_bytes : end * self.row_bytes], self.offset + first * self.row_bytes)
        return rows

    def __reduce__(self) -> tuple[Any, ...]:
        """A loading process opens the file anew."""
        return DiskRows, (self.path, self.dtype, self.shape, self.offset)

    def _empty(self, count: int) -> np.ndarray:
        return np.empty((count, *self.shape[1:]), self.dtype)

    def _read(self, room: memoryview, place: int) -> None:
        while len(room):
            count = _read_into(room, self.file, place)
            if not count:
                raise UserError(f"{self.path} is shorter than it was: it has been changed while it was being read.")
            room, place = room[count:], place + count


def _read_into(room: memoryview, file: int, place: int) -> int:
    """Read bytes of a file from `place` on; returns how many: of many at most 2 GiB at once."""
    if hasattr(os, "preadv"):
        return os.preadv(file, [room], place)
    os.lseek(file, place, os.SEEK_SET)  # Windows: no process shares the file, and with it the place
    content = os.read(file, min(len(room), 2**24))
    room[: len(content)] = content
    return len(content)


ArrayRows = np.ndarray | DiskRows
"""Rows of an array, in memory or in a file; `rows[indices]` and `rows[start:stop]` fetch some."""
