"""Batches of a Dataset, by this process or by others, which may fall silent."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count, islice
from typing import Any
from weakref import WeakSet

from torch.utils.data import DataLoader

from src.console.messages import listed
from src.datasets.contract import NamesExamples

_running: WeakSet[Any] = WeakSet()  # iterators of loaders with processes


class Loader(DataLoader):
    """A DataLoader that fetches from when a batch is asked for: Lightning makes its iterator before it sets the epoch.

    When its processes stay silent it knows which examples were awaited, and ends them.

    Raises:
        RuntimeError: as torch does after `timeout` seconds, with the examples of the batch.
    """

    def __iter__(self) -> Any:
        if self.num_workers == 0:
            yield from super().__iter__()
            return
        with self._watched(self._iterator, 0):  # processes that are kept have to say that they are ready again
            batches = super().__iter__()
        _running.add(batches)
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
    if not seconds or not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
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
    child = getattr(signal, "SIGCHLD", None)  # not on Windows
    before = child and signal.signal(child, signal.SIG_DFL)  # torch's raises an error for each that ends so
    try:
        for batches in list(_running):
            for process in getattr(batches, "_workers", []):
                with suppress(ValueError):  # it is closed already
                    process.kill()
                    process.join(1)
    finally:
        if child:
            signal.signal(child, before)
