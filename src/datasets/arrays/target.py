"""y in an array -> values, class numbers or labels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from src.console.messages import UserError, nearest
from src.datasets.classes import check_labels, numbered
from src.datasets.contract import TargetKind


def check_target(y: np.ndarray, as_typed: str) -> None:
    """See that y holds numbers or texts, a value or some values for each example.

    Args:
        as_typed: the file in the user's words.

    Raises:
        UserError: it does not, or a number is not finite.
    """
    if y.dtype.kind not in "buifUS":
        raise UserError(f"{as_typed}: y holds {y.dtype}, which are neither numbers nor texts.")
    if y.ndim > 2 or (y.ndim == 2 and y.shape[1] == 0):
        raise UserError(
            f"{as_typed}: y has shape {list(y.shape)}, but a value or some values of an example are needed."
        )
    if y.dtype.kind == "f":
        with np.errstate(over="ignore"):
            wrong = ~np.isfinite(y.astype("float32")).reshape(len(y), -1).all(axis=1)
        if wrong.any():
            raise UserError(f"{as_typed}: row {int(wrong.argmax())} of y (from 0) is nan or infinite.")


def read_target(
    y: np.ndarray, kind: TargetKind | None, names: list[str] | None, as_typed: str
) -> tuple[Tensor, list[str] | None]:
    """y float32 (N, K) and None; or class numbers (N,) and the classes' names.

    Args:
        kind: None: fractional numbers are values, all else classes.
        names: `classes` of Arrays.

    Raises:
        UserError: y is of another kind, or there is no name for a class.
    """
    kind = kind or ("values" if y.dtype.kind == "f" else "class")
    if kind == "class":
        if y.ndim == 2 and y.shape[1] > 1:
            raise UserError(
                f"{as_typed}: y has shape {list(y.shape)}, but one class an example is needed: save y.argmax(axis=1) "
                "of ones and zeros. Several values are a regression, several labels a multilabel task."
            )
        return _class_numbers(y.reshape(-1), names, as_typed)
    what = "this is no regression" if kind == "values" else "a label is 1 (it applies) or 0 (it does not)"
    if y.dtype.kind in "US":
        raise UserError(f"y of {as_typed} holds texts, which are no values: {what}.")
    if names is not None:
        raise UserError(f"classes= names classes, but y of {as_typed} is read as {kind}.")
    values = torch.from_numpy(np.array(y.reshape(len(y), -1), dtype="float32"))
    if kind == "labels":
        check_labels(values, [f"{name} of {as_typed}" for name in numbered("y", values.shape[1])])
    return values, None


def _class_numbers(y: np.ndarray, names: list[str] | None, as_typed: str) -> tuple[Tensor, list[str]]:
    """Class numbers (N,) and their names."""
    if y.dtype.kind == "f":
        if (y % 1).any():
            fraction = y[y % 1 != 0][0]
            raise UserError(f"y of {as_typed} holds fractional numbers, such as {fraction}: these are no classes.")
        y = y.astype("int64")
    y = np.char.decode(y, "utf-8") if y.dtype.kind == "S" else y
    values, inverse = np.unique(y, return_inverse=True)
    numbers, texts = torch.from_numpy(inverse.astype("int64")), [str(value) for value in values.tolist()]
    if names is None:
        return numbers, texts
    names = [str(name) for name in names]
    if len(set(names)) < len(names):
        raise UserError(f"classes={names}: a name comes twice.")
    is_text = y.dtype.kind == "U"
    allowed = names if is_text else [str(value) for value in np.arange(len(names)).astype(y.dtype).tolist()]
    for text in texts:
        if text not in allowed:
            hint = nearest(text, allowed) if is_text else f" They name the numbers 0 to {len(names) - 1}."
            raise UserError(f"classes={names} has no name for {text}, which y of {as_typed} holds.{hint}")
    return torch.tensor([allowed.index(text) for text in texts])[numbers], names
