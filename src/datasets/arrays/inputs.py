"""x in an array: what a net can read, looked at and made a tensor."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from src.console.messages import UserError
from src.console.screen import progress
from src.files.disk_rows import ArrayRows

CHECKED = 2**24  # bytes at a time


def check_kind(x: ArrayRows, indices: bool, as_typed: str) -> None:
    """See that x (N, ...) has examples, of numbers of the kind that is needed.

    Args:
        indices: whole numbers for an embedding.
        as_typed: the file in the user's words.

    Raises:
        UserError: it has none.
    """
    if x.dtype.kind not in "buif":
        raise UserError(f"{as_typed}: x holds {x.dtype}, which are no numbers that a net can read.")
    if indices and x.dtype.kind == "f":
        raise UserError(f"{as_typed}: x holds {x.dtype}, but the indices of an embedding are whole numbers.")
    if not x.shape:
        raise UserError(f"{as_typed}: x is a single number, not an array of examples.")
    if 0 in x.shape:
        raise UserError(f"{as_typed}: x has shape {list(x.shape)}, so it holds nothing.")


def check_values(x: ArrayRows, indices: bool, as_typed: str) -> None:
    """Look at all of x, where its kind of numbers can be wrong. Raises as `check_rows`."""
    if x.dtype.kind != "f" and not indices:
        return
    size = x.shape[0]
    step = max(1, CHECKED * size // (x.dtype.itemsize * math.prod(x.shape)))
    with progress("checking x", size) as done:
        for start in range(0, size, step):
            check_rows(x[start : start + step], indices, start, as_typed)
            done(start)


def check_rows(rows: np.ndarray, indices: bool, start: int, as_typed: str) -> None:
    """See that values of x (B, ...), of which the first row is `start`, are such that a net can learn from them.

    Raises:
        UserError: one is not finite, or a negative index; its row.
    """
    flat = rows.reshape(len(rows), -1)
    if indices:
        wrong, what = (flat < 0).any(axis=1), "a negative number, but an index is 0 or more"
    else:
        with np.errstate(over="ignore"):  # of what is too large for float32
            wrong, what = ~np.isfinite(flat.astype("float32")).all(axis=1), "a value that is nan or infinite in float32"
    if wrong.any():
        raise UserError(f"{as_typed}: row {start + int(wrong.argmax())} of x (from 0) holds {what}.")


def as_batch(rows: np.ndarray, indices: bool) -> Tensor:
    """x (B, ...), with at least one axis more than the batch's own, as the net gets it."""
    dtype = "int64" if indices else "uint8" if rows.dtype == np.uint8 else "float32"
    return torch.from_numpy(np.array(rows.reshape(len(rows), -1) if rows.ndim == 1 else rows, dtype=dtype))
