"""Examples of a split, and the order in which they come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler, Subset


class Part(Subset):
    """The examples of one split; `indices` is a tensor."""

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[index])]

    def __getitems__(self, indices: list[int]) -> Any:
        rows = cast(Tensor, self.indices)[indices].tolist()
        whole: Any = self.dataset
        return whole.__getitems__(rows) if hasattr(whole, "__getitems__") else [whole[row] for row in rows]


class Augmented(Dataset):
    """Training examples, changed at random: how follows from (seed, epoch, index) alone, in whichever process."""

    def __init__(self, part: Part, seed: int) -> None:
        self.part, self.seed = part, seed

    def __len__(self) -> int:
        return len(self.part)

    def __getitem__(self, key: tuple[int, int]) -> Any:
        epoch, index = key
        row = int(self.part.indices[index])
        [mixed] = np.random.SeedSequence((self.seed, epoch, row)).generate_state(1, np.uint64)
        return cast(Any, self.part.dataset).augmented(row, torch.Generator().manual_seed(int(mixed)))


class EpochSampler(Sampler[Any]):
    """Indices of one device's examples, in an order that follows from (seed, epoch) alone.

    So a run that goes on after a break sees what it would have seen. The devices take turns; in training all get
    equally many, since they step together. `with_epoch`: it deals out (epoch, index).
    """

    def __init__(
        self, size: int, seed: int | None, epoch: int, rank: int, devices: int, even: bool, with_epoch: bool = False
    ) -> None:
        self.size, self.seed, self.epoch, self.with_epoch = size, seed, epoch, with_epoch
        self.dealt = range(rank, size // devices * devices if even else size, devices)

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls it before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Any]:
        epoch = self.epoch
        return ((epoch, index) for index in self._indices()) if self.with_epoch else self._indices()

    def _indices(self) -> Iterator[int]:
        order = None
        if self.seed is not None:
            generator = torch.Generator().manual_seed((self.seed * 2_654_435_761 + self.epoch) % 2**63)
            dtype = torch.int32 if self.size < 2**31 else torch.int64
            order = torch.randperm(self.size, generator=generator, dtype=dtype)
        for start in range(0, len(self.dealt), 65536):  # as Python numbers they would take ten times the memory
            some = self.dealt[start : start + 65536]
            yield from some if order is None else order[some.start : some.stop : some.step].tolist()

    def __len__(self) -> int:
        return len(self.dealt)
