"""What the data teach net and task: made once, kept in the checkpoint, compared as a whole."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from src.console.messages import UserError
from src.console.screen import notice
from src.datasets.classes import numbered
from src.datasets.contract import HasColumns, HasFingerprint, LearnsFromTraining, Offer, TargetKind
from src.datasets.sampling import random_numbers_kept

LOOKED_AT = 256  # examples of a Dataset that has no fingerprint of its own
TWICE = 16  # of these are fetched again, to see whether they are the same each time


@dataclass(frozen=True)
class DataDescription:
    """Plain data, which a checkpoint can hold.

    Attributes:
        input_shape: of one x; None for a size that varies from example to example.
        indices: x are whole numbers for an embedding (int64), which are not standardized.
        target_shape: of one y; () for a single number.
        target_is_float: whether y holds fractions.
        classes: their names by number; None where y is no class number.
        target: the name of y.
        targets: the names of its values.
        reader: the spec of what reads new inputs as these data were read.
        fingerprint: the same for the same examples in the same order; it tells of any change if the Dataset has one of
            its own (`HasFingerprint`), as all that come with Kindling, else of one in the examples looked at.
        columns: of a table whose rows are x, see `HasColumns`.
    """

    input_shape: tuple[int | None, ...]
    indices: bool
    target_shape: tuple[int, ...]
    target_is_float: bool
    classes: list[str] | None
    target: str = field(compare=False)
    targets: list[str] = field(compare=False)
    reader: dict[str, Any] = field(compare=False)
    fingerprint: str = field(compare=False)
    columns: list[dict[str, Any]] | None = field(compare=False, default=None)  # older checkpoints do not know it

    @classmethod
    def of(cls, plain: dict[str, Any]) -> DataDescription:
        """The description that `plain` has kept."""
        shapes: dict[str, Any] = {name: tuple(plain[name]) for name in ("input_shape", "target_shape")}
        return cls(**{**plain, **shapes})

    @property
    def target_kind(self) -> TargetKind | None:
        """As what y was read, where the data were to say it; None: as it is, such as a class for each pixel."""
        if self.target_is_float:
            return "values"
        return "class" if self.classes is not None and math.prod(self.target_shape) == 1 else None

    def plain(self) -> dict[str, Any]:
        """As lists, texts and numbers."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def check_same(self, other: DataDescription) -> None:
        """Raise UserError if what was learnt from these data cannot be used on `other`."""
        before, now = self.plain(), other.plain()
        for name in (f.name for f in fields(self) if f.compare):
            expected, actual = before[name], now[name]
            if expected != actual:
                raise UserError(f"The run was trained on data with {name} {expected}, but these have {actual}.")


def describe(dataset: Any, offer: Offer, kind: TargetKind | None) -> DataDescription:
    """From the first example of a Dataset, what it offers, and how its target is read.

    Raises:
        UserError: x or y are no numbers, or classes are not numbered from 0.
    """
    x, y = _example(dataset, 0)
    if kind in (None, "values") and _is_one_hot(y) and _holds_one_hot(dataset):
        notice("y of each example is one 1 among 0s. If that says its class, let y be the class number: y.argmax().")
    classes = offer.classes
    if classes is None and not y.is_floating_point() and y.numel() == 1 and kind in ("class", None):
        classes = _number_names(class_numbers(dataset, offer))
    elif classes is not None and y.numel() == 1 and kind in ("class", None) and not isinstance(dataset, HasFingerprint):
        _check_numbers(dataset, classes)
    reader = dataset.reader if isinstance(dataset, LearnsFromTraining) else None
    is_index = x.dtype == torch.int64
    return DataDescription(
        input_shape=offer.input_shape or tuple(x.shape),
        indices=is_index,
        target_shape=tuple(y.shape),
        target_is_float=y.is_floating_point(),
        classes=classes,
        target=offer.target,
        targets=offer.targets or numbered(offer.target, max(1, y.numel())),
        reader=reader or {"_target_": "src.datasets.arrays.ArrayReader", "shape": list(x.shape), "indices": is_index},
        fingerprint=dataset.fingerprint() if isinstance(dataset, HasFingerprint) else _fingerprint(dataset),
        columns=dataset.columns if isinstance(dataset, HasColumns) else None,
    )


def class_numbers(dataset: Any, offer: Offer) -> Tensor:
    """Those of all examples, (N,)."""
    if offer.labels is not None:
        return offer.labels
    return torch.stack([_example(dataset, i)[1].reshape(()) for i in range(len(dataset))])


def _number_names(labels: Tensor) -> list[str]:
    """Names of classes that have none: the numbers up to the largest."""
    least, most = (int(number) for number in labels.aminmax())
    if least < 0:
        raise UserError(f"The classes of data must be numbered from 0, but there is {least}.")
    return list(map(str, range(most + 1)))


def _check_numbers(dataset: Any, classes: list[str]) -> None:
    """Raise UserError if y of an example looked at is the number of no class."""
    with random_numbers_kept(seed=0):
        for index in _places(len(dataset)):
            if not 0 <= (number := _example(dataset, index)[1].item()) < len(classes):
                names = f"the Dataset's `classes` are {len(classes)}, numbered from 0 to {len(classes) - 1}"
                raise UserError(f"data: y of example {index} is {number:g}, but {names}.")


def _places(size: int) -> list[int]:
    """Of the examples that are looked at, evenly from the first to the last."""
    return np.linspace(0, size - 1, min(size, LOOKED_AT)).round().astype(int).tolist()


def _fingerprint(dataset: Any) -> str:
    """Of how many examples there are, and of 256 of them, evenly from the first to the last (all, if they are fewer).

    A change in others is not seen; nor is any but in their number where fetching an example twice gives two different
    ones, from the same random numbers.
    """
    size = len(dataset)
    places = _places(size)
    with random_numbers_kept(seed=0):
        first = [_bytes(dataset[i]) for i in places]
    with random_numbers_kept(seed=0):
        again = [_bytes(dataset[i]) for i in places[:TWICE]]
    return hashlib.sha256(b"|".join([str(size).encode(), *(first if first[:TWICE] == again else [])])).hexdigest()


def _bytes(example: Any) -> bytes:
    return b"|".join(torch.as_tensor(value).numpy().tobytes() for value in example)


def _example(dataset: Any, index: int) -> tuple[Tensor, Tensor]:
    """x and y of one. Raises UserError if it is no pair of numbers or arrays of numbers."""
    pair = dataset[index]
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        what = f"{len(pair)} values" if isinstance(pair, (tuple, list)) else f"a {type(pair).__name__}"
        raise UserError(f"data: example {index} is {what}: the Dataset has to give a pair (x, y) for each index.")
    return _as_tensor("x", pair[0]), _as_tensor("y", pair[1])


def _holds_one_hot(dataset: Any) -> bool:
    """Whether y of each of the first examples is so; to look at them draws no random number of the run's."""
    with random_numbers_kept(seed=0):
        return all(_is_one_hot(_example(dataset, i)[1]) for i in range(min(len(dataset), TWICE)))


def _is_one_hot(y: Tensor) -> bool:
    """Whether it is a row of 0s with a single 1."""
    return bool(y.dim() == 1 and len(y) > 1 and y.count_nonzero() == 1 and y.max() == 1)


def _as_tensor(name: str, value: Any) -> Tensor:
    """One x or y of a Dataset. Raises UserError if it is no number or array of numbers."""
    try:
        if isinstance(value, (list, tuple, dict)):
            raise TypeError
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        numbers = "number the classes from 0, and name them in the Dataset's `classes`"
        hint = numbers if name == "y" else "make it a tensor"
        shown = repr(value) if isinstance(value, str) else f"a {type(value).__name__}"
        raise UserError(f"data: {name} of an example is {shown}: {hint}.") from error
