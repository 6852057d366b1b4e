"""Class numbers and labels, wherever they come from."""

from __future__ import annotations

import torch
from torch import Tensor

from src.console.messages import UserError, nearest


def renumbered(numbers: Tensor, names: list[str], classes: list[str], where: str, target: str = "class") -> Tensor:
    """Class numbers (N,) of `names` -> those of the same names in `classes`, a finished run's; narrow ones stay so.

    Raises:
        UserError: a name that occurs is not among them.
    """
    dtype = numbers.dtype if numbers.dtype == torch.int64 else narrowest(len(classes))
    new = torch.full((len(names),), -1, dtype=dtype)
    for number in numbers.unique().tolist():
        name = names[number]
        if name not in classes:
            hint = nearest(name, classes) or f" It knows: {', '.join(classes)}."
            raise UserError(f"{where}: the run knows no {target} {name!r}.{hint}")
        new[number] = classes.index(name)
    return torch.cat([new[some.long()] for some in numbers.split(2**20)])


def narrowest(classes: int) -> torch.dtype:
    """Of class numbers, which a large table holds in memory; as an index they are to be int64."""
    return next(dtype for dtype in (torch.int8, torch.int16, torch.int32) if classes <= torch.iinfo(dtype).max)


def check_labels(y: Tensor, names: list[str]) -> None:
    """See that y (N, K) are labels, 1 where they apply and 0 where they do not.

    Raises:
        UserError: one of them is something else; its name, one of `names` (K), and its value.
    """
    wrong = (y != 0) & (y != 1)
    if wrong.any():
        row, k = wrong.nonzero()[0].tolist()
        raise UserError(f"{names[k]} holds {y[row, k]:g}, but a label is 1 (it applies) or 0 (it does not).")


def numbered(name: str, count: int) -> list[str]:
    """Names of the values of y: y[0], y[1], ...; or the name itself, if there is one value."""
    return [name] if count == 1 else [f"{name}[{k}]" for k in range(count)]
