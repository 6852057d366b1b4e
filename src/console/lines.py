"""A progress bar for where no terminal is: a line now and then, so that a log shows that the run is alive."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from typing import Any

EVERY = 30.0  # seconds


class Lines:
    """What is used of a Progress of rich's, with a line on stderr every `EVERY` seconds, none in what is shorter."""

    def add_task(self, what: str, total: float | None, metrics: str) -> Any:
        """Begin what is `total` long; None: it is not known."""
        self.what, self.total, self.metrics = what, total, metrics
        self.begun = self.said = time.monotonic()
        return 0

    def update(self, task: Any, completed: float, description: str | None = None, metrics: str = "") -> None:
        """So much is done."""
        now = time.monotonic()
        if now - self.said < EVERY:
            return
        self.said, gone = now, now - self.begun
        words = [description or self.what, metrics, f"{_clock(gone)} gone"]
        if self.total and 0 < completed <= self.total:
            words.append(f"{_clock(gone * (self.total / completed - 1))} left")
        print("  ".join(filter(None, words)), file=sys.stderr, flush=True)

    def start(self) -> None:
        """There is nothing to show yet."""

    def stop(self) -> None:
        """What has been said stays."""

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
