"""Which examples a net learns from (train), by which its best epoch is chosen (val), and on which it is scored (test).

A split is an order of the examples that is cut into pieces. What differs is the order: the data's own, a random one,
one in which every piece has its share of each class, or one that keeps groups together.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor

from src.console.messages import UserError
from src.datasets.contract import LearnsFromTraining, Offer
from src.datasets.description import class_numbers

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Splitting:
    """What the user chooses about the split.

    Args:
        fractions: of train, val and test; they add up to 1. 0 for val or test leaves that split, and its metrics, out.
        split_seed: of the order that is cut; None: the data's own.
        stratify: every split gets its share of each class.
        folds: for cross-validation: the test split is one of so many equal parts (val, where the data bring a test
            split of their own).
        fold: which of them, from 0.

    Raises:
        UserError: a number out of its range.
    """

    fractions: list[float]
    split_seed: int | None
    stratify: bool
    folds: int | None
    fold: int | None

    def __post_init__(self) -> None:
        shares, folds, fold = self.fractions, self.folds, self.fold
        are_shares = len(shares) == 3 and min(shares) >= 0 and shares[0] > 0
        if not are_shares or not math.isclose(sum(shares), 1, abs_tol=1e-6):
            raise UserError(
                f"fractions={shares}: the shares of train, val and test must be three that add up to 1; "
                "only val and test may be 0. Try fractions=[0.7,0.15,0.15]."
            )
        if folds is not None and folds < 2:
            raise UserError(f"folds={folds}: at least 2.")
        if (folds is None) != (fold is None):
            first, second = ("folds", "fold") if fold is None else ("fold", "folds")
            raise UserError(f"{first}= goes with {second}=, such as folds=5 fold=0.")
        if folds is not None and fold is not None and not 0 <= fold < folds:
            raise UserError(f"fold={fold}: of folds={folds} the last is {folds - 1}, the first 0.")

    def indices(self, dataset: Any, offer: Offer) -> dict[str, Tensor]:
        """Those of the examples in train, val and test, (N,) each.

        Raises:
            UserError: a split that leaves a part without examples, or classes that cannot be shared out.
        """
        labels = None
        if self.stratify:
            if offer.groups is not None:
                raise UserError("stratify=true group_column=...: only one of them can shape the split.")
            if offer.labels is None and isinstance(dataset, LearnsFromTraining):  # its y are no classes
                raise UserError("stratify=true shares out classes, but this target is a number.")
            labels = class_numbers(dataset, offer)
            _check_shares(labels, offer.classes)
        fold = None if self.fold is None or self.folds is None else (self.fold, self.folds)
        return random_split(len(dataset), self.fractions, self.split_seed, labels, offer.groups, fold, offer.splits)


def split_digest(indices: Mapping[str, Tensor]) -> str:
    """The same for the same examples in the same splits."""
    digest = hashlib.sha256()
    for split in SPLITS:
        digest.update(indices[split].to(torch.int64).numpy().tobytes() + b"|")
    return digest.hexdigest()


def _check_shares(labels: Tensor, classes: list[str] | None) -> None:
    """Raise UserError if they are no classes, or one of them has a single example."""
    if labels.is_floating_point():
        raise UserError("stratify=true shares out classes, but this target is a number.")
    if labels.dim() > 1:
        raise UserError("stratify=true shares out classes, but y of an example holds several of them.")
    numbers, counts = labels.unique(return_counts=True)
    if counts.min() < 2:
        number = int(numbers[counts.argmin()])
        name = classes[number] if classes else number
        raise UserError(f"stratify=true: there is one example of class {name}, which cannot be shared out.")


def random_split(
    size: int,
    fractions: list[float],
    seed: int | None,
    labels: Tensor | None = None,
    groups: Tensor | None = None,
    fold: tuple[int, int] | None = None,
    ready: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Indices of the examples in train, val and test: those of `torch.utils.data.random_split`, as tensors.

    (Its lists take eight times the memory, which large tables do not leave.)

    Args:
        size: how many examples there are.
        fractions: of train, val and test.
        seed: of the order; None: the data's own.
        labels: class numbers (N,): every part gets its share of each class.
        groups: numbers (N,): examples of one group stay together.
        fold: (k, n): test is the kth of n equal pieces, from 0; val, if the data bring a test split of their own.
        ready: splits that the data bring; what is missing is taken from their train split.

    Raises:
        UserError: a split is left without examples, or there is nothing to fold.
    """
    ready = ready or {}
    members = ready.get("train")
    if members is not None:
        size = len(members)
        labels, groups = (None if numbers is None else numbers[members] for numbers in (labels, groups))
    order = _order(size, seed, labels, groups)
    shares = [0 if split in ready and split != "train" else f for split, f in zip(SPLITS, fractions, strict=True)]
    pieces = {}
    if fold is not None:
        held_out = "val" if "test" in ready else "test"
        if held_out in ready:
            raise UserError(f"fold={fold[0]}: these data bring val and test of their own, so there is nothing to fold.")
        pieces[held_out], order = _hold_out(order, fold, groups)
        shares[SPLITS.index(held_out)] = 0
    pieces = _cut(order, shares, sum(shares) if ready or pieces else 1, groups) | pieces
    for split, fraction in zip(SPLITS, fractions, strict=True):
        is_wanted = split == "train" or (split not in ready and fraction > 0)
        if is_wanted and not len(pieces[split]):
            kept = "" if groups is None else f" in {len(groups.unique())} groups"
            raise UserError(f"fractions={fractions} of {size} examples{kept} leave none for {split}.")
    own = {split: ready[split] for split in ("val", "test") if split in ready}
    return (pieces if members is None else {k: members[v.long()] for k, v in pieces.items()}) | own


def _hold_out(order: Tensor, fold: tuple[int, int], groups: Tensor | None) -> tuple[Tensor, Tensor]:
    """The kth of n equal pieces of an order, and the rest."""
    k, folds = fold
    ends = _ends_of_groups(order, groups)
    first, last = (_nearest_end(round(len(order) * i / folds), ends) for i in (k, k + 1))
    return order[first:last], torch.cat([order[:first], order[last:]])


def _cut(order: Tensor, shares: list[float], total: float, groups: Tensor | None) -> dict[str, Tensor]:
    """Pieces of an order for train, val and test, by their shares of `total`; train has what is left."""
    lengths = [round(len(order) * share / total) for share in shares[1:]]
    ends = _ends_of_groups(order, groups)
    cuts = accumulate([0, len(order) - sum(lengths), *lengths])
    bounds = pairwise([_nearest_end(cut, ends) for cut in cuts])
    return {split: order[a:b] for split, (a, b) in zip(SPLITS, bounds, strict=True)}


def _order(size: int, seed: int | None, labels: Tensor | None, groups: Tensor | None) -> Tensor:
    """Indices (N,), int32 where that is enough."""
    dtype = torch.int32 if size < 2**31 else torch.int64
    generator = torch.Generator().manual_seed(seed or 0)
    if groups is not None:
        numbers, codes = groups.unique(return_inverse=True)
        places = torch.arange(len(numbers)) if seed is None else torch.randperm(len(numbers), generator=generator)
        return places[codes].argsort(stable=True).to(dtype)
    order = torch.arange(size, dtype=dtype)
    if seed is not None:
        order = torch.randperm(size, generator=generator, dtype=dtype)
    return order if labels is None else order[_spread(labels[order.long()])]


def _spread(labels: Tensor) -> Tensor:
    """An order in which any piece holds each class by its share, give or take one example."""
    counts = labels.bincount()
    by_class = labels.argsort(stable=True)
    rank = torch.empty_like(labels)  # of an example among those of its class
    rank[by_class] = torch.arange(len(labels)) - (counts.cumsum(0) - counts)[labels[by_class]]
    return ((rank + 0.5) / counts[labels]).argsort(stable=True)


def _ends_of_groups(order: Tensor, groups: Tensor | None) -> Tensor | None:
    """Where one may cut an order: between two groups, and at both ends; None: anywhere."""
    if groups is None:
        return None
    groups = groups[order.long()]
    inner = (groups[1:] != groups[:-1]).nonzero()[:, 0] + 1
    return torch.cat([torch.tensor([0]), inner, torch.tensor([len(groups)])])


def _nearest_end(cut: int, ends: Tensor | None) -> int:
    return cut if ends is None else int(ends[(ends - cut).abs().argmin()])
