"""Which examples a net learns from (train), by which its best epoch is chosen (val), on which it is scored (test)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from src.console.messages import UserError
from src.datasets.contract import LearnsFromTraining, Offer
from src.datasets.description import class_numbers
from src.datasets.random_split import SPLITS, random_split


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
        for rows in indices[split].split(2**16):  # of many rows all at once would take much memory
            digest.update(rows.to(torch.int64).numpy().tobytes())
        digest.update(b"|")
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
