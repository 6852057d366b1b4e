"""How examples are put into batches."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count, islice
from typing import Any
from weakref import WeakSet

from torch.utils.data import DataLoader, default_collate

from src.console.messages import UserError, listed
from src.datasets.contract import NamesExamples, Offer


@dataclass(frozen=True)
class Loading:
    """What the user chooses about batches and the processes that load them.

    Args:
        batch_size: examples in a batch, on each device.
        shuffle: the training examples, anew in every epoch.
        drop_last: leave out a last, smaller training batch.
        num_workers: loading processes; None: none for data in memory, else one per core up to 8.
        pin_memory: None: on a CUDA device.
        timeout: seconds in which loading processes have to give a batch; None or 0: they may take for ever.
        persistent_workers: keep them between epochs; None: yes.

    Raises:
        UserError: a number out of its range.
    """

    batch_size: int
    shuffle: bool
    drop_last: bool
    num_workers: int | None
    pin_memory: bool | None
    persistent_workers: bool | None
    timeout: float | None

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UserError(f"batch_size={self.batch_size}: a batch needs at least 1 example.")
        if self.num_workers is not None and not 0 <= self.num_workers <= 4 * (os.cpu_count() or 1):
            raise UserError(f"num_workers={self.num_workers}: this machine has {os.cpu_count()} cores.")
        if self.timeout is not None and self.timeout < 0:
            raise UserError(f"timeout={self.timeout}: at least 0 seconds; null: no limit.")
        if self.persistent_workers and self.num_workers == 0:
            raise UserError("persistent_workers=true needs workers: set num_workers= to 1 or more.")

    def workers(self, offer: Offer) -> int:
        """How many processes load."""
        if self.num_workers is not None:
            return self.num_workers
        return 0 if offer.fetches_batches else min(8, os.cpu_count() or 1)

    def timeout_of(self, workers: int) -> float:
        """Seconds that a loader with so many processes waits for a batch; 0: without limit."""
        return self.timeout or 0 if workers else 0


def collate_of(offer: Offer, one_by_one: bool = False) -> Any:
    """How fetched examples become a batch; `one_by_one`: they are fetched so, whatever the Dataset can do."""
    if offer.fetches_batches and not one_by_one:
        return _as_fetched
    return offer.collate or default_collate


def _as_fetched(batch: Any) -> Any:
    """A batch that the Dataset has put together itself."""
    return batch


_running: WeakSet[Any] = WeakSet()  # iterators of loaders with processes


class Loader(DataLoader):
    """A DataLoader that knows which examples were awaited when its processes stayed silent, and that then ends them.

    Raises:
        RuntimeError: as torch does after `timeout` seconds, with the examples of the batch.
    """

    def __iter__(self) -> Any:
        if self.num_workers == 0:
            return super().__iter__()
        with self._watched(self._iterator, 0):  # processes that are kept have to say that they are ready again
            batches = super().__iter__()
        _running.add(batches)
        return self._each(batches)

    def _each(self, batches: Any) -> Iterator[Any]:
        for number in count():
            with self._watched(batches, number):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    @contextmanager
    def _watched(self, batches: Any, number: int) -> Iterator[None]:
        """Inside it this batch is awaited; what is read from a process that has gone fails in many ways."""
        try:
            with _alarm(self.timeout):
                yield
        except Exception as error:
            if str(error).startswith("DataLoader timed out"):
                _end_processes()
                raise RuntimeError(f"{error} for {self._named(number)}") from error
            if "in DataLoader worker process" not in str(error) and (lost := _lost(batches)):
                raise RuntimeError(f"DataLoader worker (pid {lost}) exited unexpectedly") from error
            raise

    def _named(self, number: int) -> str:
        """The examples of a batch: it follows from the sampler again."""
        [indices] = islice(iter(self.batch_sampler or [[]]), number, number + 1)
        indices = [index[1] if isinstance(index, tuple) else index for index in indices]
        subset: Any = getattr(self.dataset, "subset", self.dataset)
        rows = [int(subset.indices[index]) for index in indices] if hasattr(subset, "indices") else indices
        dataset = getattr(subset, "dataset", subset)
        names = [dataset.name_of(row) if isinstance(dataset, NamesExamples) else str(row) for row in rows]
        return f"example {names[0]}" if len(names) == 1 else f"examples {listed(names, 5)}"


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise RuntimeError in it after a second more than so many: torch's own time-out does not see every silence.

    To take a batch from shared memory it asks the process that has put it there, and waits for ever if that is stopped.
    """
    if not seconds or threading.current_thread() is not threading.main_thread():
        yield
        return

    def too_late(number: int, frame: Any) -> None:
        raise RuntimeError(f"DataLoader timed out after {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, too_late)
    signal.setitimer(signal.ITIMER_REAL, seconds + 1, 1)  # again, since Python drops what a destructor raises
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _lost(batches: Any) -> list[int]:
    """Numbers of the loading processes that have ended before their time, or are about to."""
    workers = getattr(batches, "_workers", [])
    for process in workers:
        process.join(0.2)
    return [process.pid for process in workers if not process.is_alive()]


def _end_processes() -> None:
    """End all that load, which may be stopped: Python would wait for them for ever at its own end."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's raises an error for each that ends so
    try:
        for batches in list(_running):
            for process in getattr(batches, "_workers", []):
                with suppress(ValueError):  # it is closed already
                    process.kill()
                    process.join(1)
    finally:
        signal.signal(signal.SIGCHLD, before)
