"""Class numbers and labels, wherever they come from."""

from __future__ import annotations

import torch
from torch import Tensor

from src.console.messages import UserError, nearest


def renumbered(numbers: Tensor, names: list[str], classes: list[str], where: str, target: str = "class") -> Tensor:
    """Class numbers (N,) of `names` -> those of the same names in `classes`, a finished run's.

    Raises:
        UserError: a name that occurs is not among them.
    """
    new = torch.full((len(names),), -1)
    for number in numbers.unique().tolist():
        name = names[number]
        if name not in classes:
            hint = nearest(name, classes) or f" It knows: {', '.join(classes)}."
            raise UserError(f"{where}: the run knows no {target} {name!r}.{hint}")
        new[number] = classes.index(name)
    return new[numbers]


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
