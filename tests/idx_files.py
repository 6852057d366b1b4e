"""Writes what src/datasets/images/idx.py reads."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any


def write_idx(path: Path, values: Any) -> None:
    """An array as an IDX file, gzipped where its name says so."""
    codes = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}
    head = bytes([0, 0, codes[values.dtype.name], values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    content = head + values.astype(values.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
