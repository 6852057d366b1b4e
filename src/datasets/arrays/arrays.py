"""Arrays in a file -> a Dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from src.console.messages import UserError
from src.datasets.arrays.files import open_arrays
from src.datasets.arrays.inputs import as_batch, check_kind, check_values
from src.datasets.arrays.target import check_target, read_target
from src.datasets.classes import renumbered
from src.datasets.contract import TargetKind
from src.files.checksum import digest, rows_checksum
from src.files.disk_rows import ArrayRows


class Arrays(Dataset):
    """x (N, ...), of which a batch is read when it is asked for, and y, held in memory: `read_target` says as what.

    x comes as float32, uint8 as it is; (N,) is read as (N, 1).

    Args:
        path: an .npz or .safetensors with x and y, or the .npy of x.
        y_path: the .npy of y, for an .npy of x; None: y.npy beside it.
        indices: x are whole numbers for an embedding, int64.
        classes: names of the numbers from 0, or the order of texts; None: the values themselves, sorted.

    Raises:
        UserError: no such file or array, of other numbers than these, or x and y of different lengths.
    """

    target = "y"
    y: Tensor
    labels: Tensor | None
    classes: list[str] | None

    def __init__(self, path: str, *, y_path: str | None, indices: bool, classes: list[str] | None) -> None:
        self.as_typed = f"path={path}"
        self.x, self.raw_y = _open(path, y_path, self.as_typed)
        self.indices, self.class_names = indices, classes
        check_kind(self.x, indices, self.as_typed)
        check_target(self.raw_y, self.as_typed)
        if len(self.raw_y) != self.x.shape[0]:
            raise UserError(f"{self.as_typed}: x has {self.x.shape[0]} examples, but y has {len(self.raw_y)}.")

    def read_target(self, kind: TargetKind | None, classes: list[str] | None = None) -> None:
        """Set `y` float32 (N, K), values or labels; or class numbers (N,) with `labels` and `classes`.

        None: fractional numbers are values; whole numbers, booleans and texts are classes.

        Raises:
            UserError: the array cannot be read so, or holds a class that the run does not know.
        """
        self.y, self.classes = read_target(self.raw_y, kind, self.class_names, self.as_typed)
        if self.classes is not None and classes is not None:
            self.y = renumbered(self.y, self.classes, classes, self.as_typed)
            self.classes = classes
        self.labels = None if self.classes is None else self.y

    def fit(self, indices: Tensor) -> None:
        """There is nothing to learn; but what x holds is looked at now."""
        check_values(self.x, self.indices, self.as_typed)

    def restore(self, reader: dict[str, Any]) -> None:
        """Read x as a finished run does; it may have learnt from data of another source."""
        self.indices = reader.get("indices", self.indices)
        check_kind(self.x, self.indices, self.as_typed)
        check_values(self.x, self.indices, self.as_typed)

    @property
    def reader(self) -> dict[str, Any]:
        shape = list(self.x.shape[1:]) or [1]
        return {"_target_": "src.datasets.arrays.ArrayReader", "shape": shape, "indices": self.indices}

    def fingerprint(self) -> str:
        """Of all of x and y, as they are in the file."""
        return digest([(str(rows.dtype), list(rows.shape), rows_checksum(rows)) for rows in (self.x, self.raw_y)])

    def __len__(self) -> int:
        return len(self.raw_y)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        x, y = self.__getitems__([index])
        return x[0], y[0]

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        return as_batch(self.x[indices], self.indices), self.y[indices]


def _open(path: str, y_path: str | None, as_typed: str) -> tuple[ArrayRows, np.ndarray]:
    """x and y, (N, ...) each."""
    if Path(path).suffix != ".npy":
        if y_path is not None:
            raise UserError(f"y_path={y_path} is for an .npy, but {as_typed} has its own y.")
        arrays = open_arrays(path, ["x", "y"], as_typed)
        x, y = arrays["x"], arrays["y"]
    else:
        x = open_arrays(path, ["x"], as_typed)["x"]
        beside = str(Path(path).with_name("y.npy"))
        if y_path is None and not Path(beside).is_file():
            raise UserError(f"{as_typed}: there is no y.npy beside it. Say where y is: y_path=.")
        y = open_arrays(y_path or beside, ["y"], f"y_path={y_path or beside}")["y"]
    if not y.shape:
        raise UserError(f"{as_typed}: y is a single value, not one for each example.")
    return x, y[:]
