"""Indices of examples in three parts: an order of them that is cut into pieces.

What differs is the order: the data's own, a random one, one in which every piece has its share of each class, or one
that keeps groups together.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from src.console.messages import UserError

SPLITS = ("train", "val", "test")


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
    order = torch.arange(size, dtype=dtype) if seed is None else torch.randperm(size, generator=generator, dtype=dtype)
    return order if labels is None else order[_spread(labels[order.long()])]


def _spread(labels: Tensor) -> Tensor:
    """An order in which any piece holds each class by its share, give or take one example."""
    labels = labels.long()
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
