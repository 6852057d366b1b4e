"""What a Dataset may offer beyond its examples (x, y). A plain one needs nothing of it: each part is optional.

B examples, K values; x is a tensor of any shape, y a number, a class number or a tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Generator, Tensor

from src.console.messages import UserError

TargetKind = Literal["values", "class", "labels"]
"""What y of an example is: values float (K,), a class number (), or labels that apply (1) or do not (0), float (K,)."""


@runtime_checkable
class FetchesBatches(Protocol):
    """Many examples at once cost less than one after another, as in memory."""

    def __getitems__(self, indices: list[int]) -> Any:
        """x (B, ...) and y (B, ...) of these examples, put together."""


@runtime_checkable
class HeldInMemory(Protocol):
    """All examples are two tensors, of which a batch is rows."""

    def in_memory(self) -> tuple[Tensor, Tensor] | None:
        """x (N, ...) and y (N, ...), as `__getitems__` gives them; None: they are read from files after all."""


@runtime_checkable
class Collates(Protocol):
    """Examples that torch cannot stack, such as texts of varying length."""

    def collate(self, examples: list[Any]) -> Any:
        """x and y of a batch. A size of x that varies is None in the Dataset's `input_shape`."""


@runtime_checkable
class Augments(Protocol):
    """Training examples can be changed at random; `augments` says whether they are to be."""

    augments: bool

    def augmented(self, index: int, generator: Generator) -> Any:
        """The example, changed by this generator alone."""


@runtime_checkable
class ReadsTarget(Protocol):
    """The same column or array may be read as values, as classes or as labels."""

    def read_target(self, kind: TargetKind | None, classes: list[str] | None = None) -> None:
        """Read y so; None: as its values suggest.

        Args:
            classes: those of a finished run, in its order.

        Raises:
            UserError: y cannot be read so, or holds a class that the run does not know.
        """


@runtime_checkable
class LearnsFromTraining(Protocol):
    """How x is prepared is learnt from the training examples alone, and kept for new inputs."""

    @property
    def reader(self) -> dict[str, Any] | None:
        """The spec, plain data, of what reads new inputs as these examples were read.

        None: arrays are read, or nothing has been learnt yet. (To ask whether a Dataset is of this kind reads it.)
        """

    def fit(self, indices: Tensor) -> None:
        """Learn from these examples.

        Raises:
            UserError: there is nothing to learn.
        """

    def restore(self, reader: dict[str, Any]) -> None:
        """Prepare x as a finished run does, instead: `reader` is that of its Dataset. It comes before `read_target`.

        Raises:
            UserError: x is not like that run's.
        """


@runtime_checkable
class HasColumns(Protocol):
    """x are the features of a table's columns."""

    @property
    def columns(self) -> list[dict[str, Any]] | None:
        """Once x is prepared, in the order of x: `name` and `kind` (number, boolean, category, date) of each, how many
        `features` it makes, whether the second is an `indicator` of missing values, and, if its numbers are `codes`
        that stand for something, how many there are; else 0. None: x has another shape.
        """


@runtime_checkable
class Reader(Protocol):
    """What the spec `reader` of a Dataset names."""

    def read(self, path: str, batch_size: int, num_workers: int | None) -> Any:
        """Yield rows as they are written, a pandas DataFrame, x (B, ...) of them, and the share that has been read."""


@runtime_checkable
class Signs(Protocol):
    """A `Reader` can say, to a program without this project, how x is made."""

    def signature(self) -> dict[str, Any]:
        """Plain data, which stand beside x and predictions in the signature of an exported net."""


@runtime_checkable
class NamesExamples(Protocol):
    """An example has a name that says more than its number, such as that of its file."""

    def name_of(self, index: int) -> str: ...


@runtime_checkable
class HasFingerprint(Protocol):
    """The Dataset knows whether its examples are those of an earlier start; of any other some hundred are looked at."""

    def fingerprint(self) -> str:
        """The same for the same examples in the same order, wherever their files lie; else another."""


@dataclass(frozen=True)
class Offer:
    """What one Dataset offers; None or empty is what it does not.

    Attributes:
        fetches_batches: see `FetchesBatches`.
        in_memory: see `HeldInMemory`.
        collate: see `Collates`.
        augmented: see `Augments`.
        labels: the class numbers of all examples, (N,).
        groups: numbers (N,): examples of one group belong together.
        splits: indices by split, ready-made.
        classes: their names by number.
        target: the name of y.
        targets: the names of its values.
        input_shape: of x, with None for a size that varies from example to example.
    """

    fetches_batches: bool
    in_memory: Callable[[], tuple[Tensor, Tensor] | None] | None
    collate: Callable[[list[Any]], Any] | None
    augmented: Callable[[int, Generator], Any] | None
    labels: Tensor | None
    groups: Tensor | None
    splits: Mapping[str, Tensor]
    classes: list[str] | None
    target: str
    targets: list[str] | None
    input_shape: tuple[int | None, ...] | None


def offer_of(dataset: Any) -> Offer:
    """Look at a Dataset, once its target has been read.

    Raises:
        UserError: it cannot say how many examples there are, or give one; or there are several Datasets.
    """
    if isinstance(dataset, tuple) and any(
        hasattr(part, "__getitem__") and hasattr(part, "__len__") for part in dataset
    ):
        raise UserError(
            f"data: a tuple of {len(dataset)} is no Dataset. Put the examples into one; its attribute `splits`, "
            "indices by name, says which are for train, val and test."
        )
    if hasattr(dataset, "__len__") and not hasattr(dataset, "__getitem__"):
        raise UserError(
            f"data: a {type(dataset).__name__} gives no example by its number: it needs __getitem__(index). Batches "
            "are made of a Dataset here, not by a DataLoader of your own."
        )
    if not hasattr(dataset, "__len__"):
        raise UserError(
            f"data: a {type(dataset).__name__} does not say how many examples it has, so they cannot be split: "
            "it needs __len__() and __getitem__(index)."
        )

    def attribute(name: str, default: Any = None) -> Any:
        value = getattr(dataset, name, None)
        return default if value is None else value

    def names(name: str) -> list[str] | None:
        values: Sequence[Any] | None = attribute(name)
        return None if values is None else [str(value) for value in values]

    return Offer(
        fetches_batches=isinstance(dataset, FetchesBatches),
        in_memory=dataset.in_memory if isinstance(dataset, HeldInMemory) else None,
        collate=dataset.collate if isinstance(dataset, Collates) else None,
        augmented=dataset.augmented if isinstance(dataset, Augments) and dataset.augments else None,
        labels=attribute("labels"),
        groups=attribute("groups"),
        splits=attribute("splits", {}),
        classes=names("classes"),
        target=str(attribute("target", "y")),
        targets=names("targets"),
        input_shape=None if attribute("input_shape") is None else tuple(dataset.input_shape),
    )
