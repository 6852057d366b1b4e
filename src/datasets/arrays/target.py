"""y in an array -> class numbers and their names, or the values of a regression."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from src.console.messages import nearest


def read_target(y: np.ndarray, task: str | None, names: list[str] | None, said: str) -> tuple[Tensor, list[str] | None]:
    """y and the names of its classes: (N, K) and None for a regression, else (N,).

    Args:
        task, names: `task` and `classes` of Arrays.
        said: the file in the user's words.

    Raises:
        ValueError: values that are of no use, or not of this task, or without a name.
    """
    if y.dtype.kind not in "buifUS":
        raise ValueError(f"{said}: y holds {y.dtype}, which are neither numbers nor texts.")
    if y.ndim > 2 or (y.ndim == 2 and y.shape[1] == 0):
        raise ValueError(f"{said}: y has shape {list(y.shape)}, but a value or some values of an example are needed.")
    if y.dtype.kind == "f":
        _check_finite(y, said)
    if task == "regression" or (task is None and y.dtype.kind == "f"):
        if y.dtype.kind in "US":
            raise ValueError(f"data.task=regression, but y of {said} holds texts.")
        if names is not None:
            raise ValueError("data.classes names classes, but this is a regression. Say data.task=classification.")
        return torch.from_numpy(np.array(y.reshape(len(y), -1), dtype="float32")), None
    if y.ndim == 2 and y.shape[1] > 1:
        raise ValueError(
            f"{said}: y has shape {list(y.shape)}, but one class an example is needed: save y.argmax(axis=1) "
            "of ones and zeros, or say data.task=regression."
        )
    return _numbered(y.reshape(-1), names, said)


def _check_finite(y: np.ndarray, said: str) -> None:
    with np.errstate(over="ignore"):
        wrong = ~np.isfinite(y.astype("float32")).reshape(len(y), -1).all(axis=1)
    if wrong.any():
        raise ValueError(f"{said}: row {int(wrong.argmax())} of y (from 0) is nan or infinite.")


def _numbered(y: np.ndarray, names: list[str] | None, said: str) -> tuple[Tensor, list[str]]:
    """Class numbers (N,) and their names."""
    if y.dtype.kind == "f":
        if (y % 1).any():
            fraction = y[y % 1 != 0][0]
            raise ValueError(f"data.task=classification, but y of {said} holds fractional numbers, such as {fraction}.")
        y = y.astype("int64")
    y = np.char.decode(y, "utf-8") if y.dtype.kind == "S" else y
    values, numbers = np.unique(y, return_inverse=True)
    found = [str(value) for value in values.tolist()]
    if names is None:
        return torch.from_numpy(numbers.astype("int64")), found
    names = [str(name) for name in names]
    if len(set(names)) < len(names):
        raise ValueError(f"data.classes={names}: a name comes twice.")
    allowed = names if y.dtype.kind == "U" else [str(value) for value in np.arange(len(names)).astype(y.dtype).tolist()]
    for value in found:
        if value not in allowed:
            known = nearest(value, allowed) if y.dtype.kind == "U" else f" They name the numbers 0 to {len(names) - 1}."
            raise ValueError(f"data.classes={names} has no name for {value}, which y of {said} holds.{known}")
    return torch.tensor([allowed.index(value) for value in found])[torch.from_numpy(numbers.astype("int64"))], names
