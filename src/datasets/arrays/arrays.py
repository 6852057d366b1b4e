"""Arrays in a file -> a Dataset; and new ones for a finished run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset

from src.console.messages import nearest
from src.console.screen import progress
from src.datasets.arrays.files import Rows, open_arrays
from src.datasets.arrays.target import read_target

CHECKED = 2**24  # bytes at a time


class Arrays(Dataset):
    """x (N, ...), of which a batch is read when it is asked for, and y, held in memory.

    x comes as float32, uint8 as it is; (N,) is read as (N, 1).

    Args:
        path: an .npz or .safetensors with x and y, or the .npy of x.
        y_path: the .npy of y, for an .npy of x; None: y.npy beside it.
        task: None: fractional numbers are a regression's, y (N, K); whole numbers, booleans and texts classes, y (N,).
        indices: x are whole numbers for an embedding, int64.
        classes: names of the numbers from 0, or the order of texts; None: the values themselves, sorted.

    Raises:
        ValueError: no such file or array, of other numbers than these, or x and y of different lengths.
    """

    target = "y"

    def __init__(
        self,
        path: str,
        y_path: str | None = None,
        task: Literal["regression", "classification"] | None = None,
        indices: bool = False,
        classes: list[str] | None = None,
    ) -> None:
        self.said = f"data.path={path}"
        self.x, y = _open(path, y_path, self.said)
        _check_kind(self.x, indices, self.said)
        if len(y) != self.x.shape[0]:
            raise ValueError(f"{self.said}: x has {self.x.shape[0]} examples, but y has {len(y)}.")
        self.given, self.indices, self.names = y, indices, classes
        self._set_target(task)

    def _set_target(self, task: str | None) -> None:
        self.y, self.classes = read_target(self.given, task, self.names, self.said)
        self.labels = None if self.classes is None else self.y

    def fit(self, indices: Tensor) -> None:
        """There is nothing to learn; but what x holds is looked at now."""
        _check_values(self.x, self.indices, self.said)

    def use(self, reader: dict[str, Any], task: str, classes: list[str] | None) -> None:
        """Read x and number the classes as a finished run does."""
        self.indices = reader.get("indices", self.indices)
        _check_kind(self.x, self.indices, self.said)
        _check_values(self.x, self.indices, self.said)
        self._set_target("regression" if task == "regression" else "classification")
        if self.classes is not None and classes is not None:
            there = {self.classes[k] for k in self.y.unique().tolist()}
            for name in sorted(there - set(classes)):
                hint = nearest(name, classes) or f" It knows: {', '.join(classes)}."
                raise ValueError(f"{self.said}: the run does not know the class {name!r}.{hint}")
            numbers = [classes.index(name) if name in there else -1 for name in self.classes]
            self.y = self.labels = torch.tensor(numbers)[self.y]
            self.classes = classes

    @property
    def reader(self) -> dict[str, Any]:
        return {
            "_target_": "src.datasets.arrays.arrays.ArrayReader",
            "shape": list(self.x.shape[1:]) or [1],
            "indices": self.indices,
        }

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        x, y = self.__getitems__([index])
        return x[0], y[0]

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        return _batch(self.x[indices], self.indices), self.y[indices]


class ArrayReader:
    """Reads x of new examples for a finished run; y may be there too.

    Args:
        shape: of one example.
        indices: they are whole numbers for an embedding.
    """

    def __init__(self, shape: list[int], indices: bool) -> None:
        self.shape, self.indices = list(shape), indices

    def read(self, path: str, batch_size: int, num_workers: int | None) -> Iterator[tuple[pd.DataFrame, Tensor, float]]:
        """Batches: the numbers of the rows from 0, x (B, *shape), and the share that has been read so far.

        Raises:
            ValueError: no such file or array, examples of another shape, or values that are none.
        """
        x = open_arrays(path, ["x"], path)["x"]
        shape = list(x.shape[1:])
        if shape != self.shape and not (len(x.shape) == 1 and self.shape == [1]):
            single = " For a single one, save x[None]." if list(x.shape) == self.shape else ""
            raise ValueError(f"{path}: its examples have shape {shape}, those of the run {self.shape}.{single}")
        _check_kind(x, self.indices, path)
        for start in range(0, x.shape[0], batch_size):
            rows = x[start : start + batch_size]
            _check_rows(rows, self.indices, start, path)
            numbers = pd.DataFrame({"row": range(start, start + len(rows))})
            batch = _batch(rows, self.indices).reshape(-1, *self.shape)
            yield numbers, batch, (start + len(rows)) / x.shape[0]


def _open(path: str, y_path: str | None, said: str) -> tuple[Rows, np.ndarray]:
    """x and y, (N, ...) each."""
    if Path(path).suffix != ".npy":
        if y_path is not None:
            raise ValueError(f"data.y_path={y_path} is for an .npy, but {said} has its own y.")
        arrays = open_arrays(path, ["x", "y"], said)
        x, y = arrays["x"], arrays["y"]
    else:
        x = open_arrays(path, ["x"], said)["x"]
        beside = str(Path(path).with_name("y.npy"))
        if y_path is None and not Path(beside).is_file():
            raise ValueError(f"{said}: there is no y.npy beside it. Say where y is: data.y_path=.")
        y = open_arrays(y_path or beside, ["y"], f"data.y_path={y_path or beside}")["y"]
    if not y.shape:
        raise ValueError(f"{said}: y is a single value, not one for each example.")
    return x, y[:]


def _check_kind(x: Rows, indices: bool, said: str) -> None:
    """Raise ValueError if x (N, ...) has no rows, or no numbers of the kind that is needed."""
    if x.dtype.kind not in "buif":
        raise ValueError(f"{said}: x holds {x.dtype}, which are no numbers that a net can read.")
    if indices and x.dtype.kind == "f":
        raise ValueError(f"{said}: x holds {x.dtype}, but the indices of an embedding are whole numbers.")
    if not x.shape:
        raise ValueError(f"{said}: x is a single number, not an array of examples.")
    if 0 in x.shape:
        raise ValueError(f"{said}: x has shape {list(x.shape)}, so it holds nothing.")


def _check_values(x: Rows, indices: bool, said: str) -> None:
    """Look at all of x, where its kind of numbers can be wrong."""
    if x.dtype.kind != "f" and not indices:
        return
    size = x.shape[0]
    step = max(1, CHECKED * size // (x.dtype.itemsize * math.prod(x.shape)))
    with progress("checking x", size) as done:
        for start in range(0, size, step):
            _check_rows(x[start : start + step], indices, start, said)
            done(start)


def _check_rows(rows: np.ndarray, indices: bool, start: int, said: str) -> None:
    """Raise ValueError if a value of x (B, ...), of which the first row is `start`, is none."""
    flat = rows.reshape(len(rows), -1)
    if indices:
        wrong, what = (flat < 0).any(axis=1), "a negative number, but an index is 0 or more"
    else:
        with np.errstate(over="ignore"):  # of what is too large for float32
            wrong, what = ~np.isfinite(flat.astype("float32")).all(axis=1), "a value that is nan or infinite in float32"
    if wrong.any():
        raise ValueError(f"{said}: row {start + int(wrong.argmax())} of x (from 0) holds {what}.")


def _batch(rows: np.ndarray, indices: bool) -> Tensor:
    """(B, ...), at least one axis more than the batch's own, as the net gets it."""
    kind = "int64" if indices else "uint8" if rows.dtype == np.uint8 else "float32"
    return torch.from_numpy(np.array(rows.reshape(len(rows), -1) if rows.ndim == 1 else rows, dtype=kind))
