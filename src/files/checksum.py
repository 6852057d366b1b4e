"""Checksums: of data by crc32, some GB a second, which one change in four billion keeps; of files by hashlib."""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import numpy as np

from src.console.screen import progress
from src.files.disk_rows import ArrayRows

BLOCK = 2**22  # bytes that are read at once
LONG = 2**29  # bytes that may take more than a second


def digest(*facts: Any) -> str:
    """The same, 64 characters, for the same plain data."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def rows_checksum(rows: ArrayRows) -> int:
    """Of all bytes of an array, row by row."""
    size, checksum = len(rows), 0
    total = rows.dtype.itemsize * math.prod(rows.shape)
    step = max(1, BLOCK * size // max(1, total))
    shown = progress("looking at the data", size) if total > LONG else nullcontext(lambda amount: None)
    with shown as done:
        for start in range(0, size, step):
            block = np.ascontiguousarray(rows[start : start + step]).reshape(-1)
            checksum = zlib.crc32(cast(Any, block.view("uint8")) if block.nbytes else b"", checksum)
            done(start)
    return checksum


def file_checksum(path: Path, done: Callable[[int], None] = lambda count: None) -> int:
    """Of a file; `done` is told how many bytes have been read."""
    checksum, room = 0, memoryview(bytearray(min(BLOCK, path.stat().st_size + 1)))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(room):
            checksum = zlib.crc32(room[:count], checksum)
            done(file.tell())
    return checksum


def file_digest(path: Path, kind: str = "sha256") -> str:
    """Of a file, by one of hashlib's algorithms, in hexadecimal."""
    digest = hashlib.new(kind, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
