"""Examples of a split, and the order in which they come."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler, get_worker_info

from src.datasets.contract import FetchesBatches


class SplitSubset(Dataset):
    """The examples of one split.

    Args:
        indices: theirs in `dataset`, (N,), whole numbers of any type.
        seed: what a Dataset draws at random in a loading process follows from it and the row, so that a run which goes
            on is validated by the same examples; None: from how long that process has lived.
    """

    def __init__(self, dataset: Dataset, indices: Tensor, seed: int | None = None) -> None:
        self.dataset: Any = dataset
        self.indices, self.seed = indices, seed
        self.fetches_batches = isinstance(dataset, FetchesBatches)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self._example(int(self.indices[index]))

    def __getitems__(self, indices: list[int]) -> Any:
        """A batch, where the Dataset fetches batches; else a list of examples."""
        rows = self.indices[indices].tolist()
        if not self.fetches_batches:
            return [self._example(row) for row in rows]
        self._seed_process(rows[0])
        return self.dataset.__getitems__(rows)

    def _example(self, row: int) -> Any:
        self._seed_process(row)
        return self.dataset[row]

    def _seed_process(self, row: int) -> None:
        if self.seed is not None:
            seed_process(self.seed, 0, row)


class TrainingSubset(Dataset):
    """Training examples by (epoch, index): what is random in one follows from (seed, epoch, index) alone.

    So they are the same in whichever process, however often a run is stopped: a Dataset that draws from the random
    numbers of torch, NumPy or Python does so in loading processes, which live on or not from epoch to epoch.

    Args:
        augments: whether they are changed at random, as the Dataset knows how to.
    """

    def __init__(self, subset: SplitSubset, seed: int, augments: bool) -> None:
        self.subset, self.seed, self.augments = subset, seed, augments

    def __len__(self) -> int:
        return len(self.subset)

    def __getitem__(self, key: tuple[int, int]) -> Any:
        epoch, index = key
        row = int(self.subset.indices[index])
        if self.augments:
            return self.subset.dataset.augmented(row, torch.Generator().manual_seed(_mixed(self.seed, epoch, row)))
        seed_process(self.seed, epoch, row)
        return self.subset[index]

    def __getitems__(self, keys: list[tuple[int, int]]) -> Any:
        """A batch, where the Dataset fetches batches; else a list of examples."""
        if self.augments or not self.subset.fetches_batches:
            return [self[key] for key in keys]
        seed_process(self.seed, *keys[0])
        return self.subset.__getitems__([index for _, index in keys])


def seed_process(seed: int, epoch: int, row: int) -> None:
    """In a loading process; the numbers of this one are in the run's checkpoint."""
    if get_worker_info() is not None:
        _seed_all(_mixed(seed, epoch, row))


@contextmanager
def random_numbers_kept(seed: int | None = None) -> Iterator[None]:
    """Inside it they begin with `seed`, if there is one; afterwards they go on as if nothing had been drawn."""
    before = torch.get_rng_state(), np.random.get_state(), random.getstate()
    if seed is not None:
        _seed_all(seed)
    try:
        yield
    finally:
        torch.set_rng_state(before[0])
        np.random.set_state(before[1])
        random.setstate(before[2])


def _seed_all(seed: int) -> None:
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def _mixed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


class EpochSampler(Sampler[Any]):
    """Indices of one device's examples, in an order that follows from (seed, epoch) alone.

    So a run that goes on after a break sees what it would have seen. The devices take turns; in training all get
    equally many, since they step together. `with_epoch`: it deals out (epoch, index).
    """

    def __init__(
        self, size: int, seed: int | None, rank: int, devices: int, even: bool, with_epoch: bool = False
    ) -> None:
        self.size, self.seed, self.with_epoch = size, seed, with_epoch
        self.epoch = 0
        self.skipped: dict[int, int] = {}
        self.dealt = range(rank, size // devices * devices if even else size, devices)

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls it before each epoch."""
        self.epoch = epoch

    def skip(self, examples: int, epoch: int) -> None:
        """Leave out the first ones of an epoch: a run that was stopped inside it has seen them."""
        self.skipped = {epoch: examples}

    def __iter__(self) -> Iterator[Any]:
        epoch = self.epoch
        return ((epoch, index) for index in self._indices()) if self.with_epoch else self._indices()

    def _indices(self) -> Iterator[int]:
        for block in self.blocks(65536):  # as Python numbers all of them would take ten times the memory
            yield from block.tolist()

    def blocks(self, size: int) -> Iterator[Tensor]:
        """The indices as tensors, so many at once."""
        order = None
        if self.seed is not None:
            generator = torch.Generator().manual_seed((self.seed * 2_654_435_761 + self.epoch) % 2**63)
            dtype = torch.int32 if self.size < 2**31 else torch.int64
            order = torch.randperm(self.size, generator=generator, dtype=dtype)
        for start in range(self.skipped.get(self.epoch, 0), len(self.dealt), size):
            places = self.dealt[start : start + size]
            places = slice(places.start, places.stop, places.step)
            yield torch.arange(places.start, places.stop, places.step) if order is None else order[places]

    def __len__(self) -> int:
        return len(self.dealt)
