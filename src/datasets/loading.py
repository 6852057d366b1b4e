"""How examples are put into batches."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from typing import Any

from torch.utils.data import default_collate

from src.console.cores import cores
from src.console.messages import UserError, first_line
from src.console.signals import leave_signals_to_parent
from src.datasets.contract import Offer

AUTO = "auto"
SMALL = 1e8  # floating-point operations: some milliseconds of one core; convolutions are slower in larger batches


@dataclass(frozen=True)
class Loading:
    """What the user chooses about batches and the processes that load them.

    Args:
        batch_size: examples in a batch, on each device; auto: see `sized_for`.
        shuffle: the training examples, anew in every epoch.
        drop_last: leave out a last, smaller training batch.
        num_workers: loading processes; None: none for data in memory, else one per core up to 8.
        pin_memory: None: on a CUDA device.
        timeout: seconds in which loading processes have to give a batch; None or 0: they may take for ever.
        persistent_workers: keep them between epochs; None: yes.

    Raises:
        UserError: a number out of its range.
    """

    batch_size: Any
    shuffle: bool
    drop_last: bool
    num_workers: int | None
    pin_memory: bool | None
    persistent_workers: bool | None
    timeout: float | None

    def __post_init__(self) -> None:
        if self.batch_size != AUTO and self.batch_size < 1:
            raise UserError(f"batch_size={self.batch_size}: a batch needs at least 1 example.")
        if self.num_workers is not None and not 0 <= self.num_workers <= 4 * (os.cpu_count() or 1):
            raise UserError(f"num_workers={self.num_workers}: this machine has {os.cpu_count()} cores.")
        if self.timeout is not None and self.timeout < 0:
            raise UserError(f"timeout={self.timeout}: at least 0 seconds; null: no limit.")
        if self.persistent_workers and self.num_workers == 0:
            raise UserError("persistent_workers=true needs workers: set num_workers= to 1 or more.")

    def sized_for(self, examples: int) -> Loading:
        """The same, but auto is a power of two by which an epoch takes about 40 steps: from 32, or all, to 1024."""
        if self.batch_size != AUTO:
            return self
        examples = max(1, examples)
        return replace(self, batch_size=min(examples, 2 ** min(10, max(5, round(math.log2(examples / 40))))))

    def workers(self, offer: Offer) -> int:
        """How many processes load."""
        if self.num_workers is not None:
            return self.num_workers
        return 0 if offer.fetches_batches else min(8, cores())

    def evaluated_at_once(self, flops: float) -> int:
        """Examples in a batch of which nothing is learnt: more, where a net is so small that each batch costs more.

        Args:
            flops: floating-point operations of the net for one.
        """
        return self.batch_size * int(max(1, min(8, SMALL / max(1, flops * self.batch_size))))

    def processes(self, offer: Offer) -> dict[str, Any]:
        """What a DataLoader is told of its processes: how many, and the seconds it waits for a batch; 0: no limit."""
        workers = self.workers(offer)
        timeout = self.timeout or 0 if workers else 0
        return {"num_workers": workers, "timeout": timeout, "worker_init_fn": leave_signals_to_parent}


def collate_of(offer: Offer, one_by_one: bool = False) -> Any:
    """How fetched examples become a batch; `one_by_one`: they are fetched so, whatever the Dataset can do."""
    if offer.fetches_batches and not one_by_one:
        return _as_fetched
    return offer.collate or collated


def _as_fetched(batch: Any) -> Any:
    """A batch that the Dataset has put together itself."""
    return batch


def collated(examples: list[Any]) -> Any:
    """A batch of examples. Raises UserError if they differ in shape."""
    try:
        return default_collate(examples)
    except RuntimeError as error:
        if "equal size" not in str(error):
            raise
        raise UserError(
            f"data: the examples of a batch differ in shape: {first_line(error)}. Give all the same one, or the "
            "Dataset a `collate` that pads them."
        ) from error
