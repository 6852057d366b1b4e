"""Examples in memory as the net reads them: standardized once, not in every epoch, and on the net's device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from src.datasets.sampling import EpochSampler, SplitSubset

MOST = 2**31  # bytes of x that are held a second time; on a GPU a quarter of what is free
FETCH = 2**20  # bytes of x that are fetched at once: they stay in the processor's cache
ALIGNED = 64  # bytes: at other addresses a product of matrices may differ in its last bits


class Prepared(NamedTuple):
    """A batch whose x needs no more standardization."""

    x: Tensor
    y: Tensor


class PreparedSplit(Dataset):
    """The examples of a split, prepared when the first batch is asked for.

    Args:
        x, y: of the whole data, (N, ...) each.
        prepare: x and y of some examples -> as the net reads them, on its device.
    """

    def __init__(
        self, x: Tensor, y: Tensor, subset: SplitSubset, prepare: Callable[[Tensor, Tensor], Prepared]
    ) -> None:
        self.raw, self.indices, self.prepare = (x, y), subset.indices, prepare
        self.held: Prepared | None = None

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Prepared:
        x, y = self.all()
        return Prepared(x[index], y[index])

    def all(self) -> Prepared:
        """All of them, in the split's order."""
        if self.held is None:
            (x, y), held = self.raw, None
            for places in torch.arange(len(self)).split(4096):
                some = self.prepare(x[self.indices[places]], y[self.indices[places]])
                held = held or Prepared(*(part.new_empty(len(self), *part.shape[1:]) for part in some))
                for of_all, part in zip(held, some, strict=True):
                    of_all[places[0] : places[-1] + 1] = part
            self.held = held
        assert self.held is not None
        return self.held


class PreparedLoader(DataLoader):
    """Batches of a PreparedSplit by index, several in one fetch: no example is fetched by itself, nothing collated."""

    def __iter__(self) -> Any:
        x, y = cast(PreparedSplit, self.dataset).all()
        size = cast(int, self.batch_size)
        for rows in self._blocks(size * _batches_in_a_fetch(x, y, size)):
            rows = rows.to(x.device)
            for batch in zip(x.index_select(0, rows).split(size), y.index_select(0, rows).split(size), strict=True):
                if len(batch[0]) == size or not self.drop_last:
                    yield Prepared(*batch)

    def _blocks(self, size: int) -> Iterator[Tensor]:
        """The places of the examples in their order, so many at once."""
        if isinstance(self.sampler, EpochSampler):
            return self.sampler.blocks(size)
        return iter(torch.tensor(list(self.sampler)).split(size))  # trainer.overfit_batches takes them as they lie


def fits(x: Tensor, subset: SplitSubset, device: torch.device) -> bool:
    """Whether there is room for a split on a device, as floats."""
    room = torch.cuda.mem_get_info(device)[0] / 4 if device.type == "cuda" else MOST
    return 4 * x[0].numel() * len(subset) <= room


def _batches_in_a_fetch(x: Tensor, y: Tensor, size: int) -> int:
    """One if those behind the first would lie at odd addresses: a run that goes on fetches others together."""
    bytes_of = [size * tensor[0].nbytes for tensor in (x, y)]
    is_aligned = all(count % ALIGNED == 0 for count in bytes_of)
    return min(64, max(1, FETCH // bytes_of[0])) if is_aligned else 1
