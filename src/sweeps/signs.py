"""Whether the process that runs a trial still lives, where several share a database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from optuna.trial import FrozenTrial

ALIVE = "alive"  # attribute of a trial: the last sign of life; None: nobody runs it any more
MANY = 4  # signs of life in the time after which a process counts as dead


class Signs:
    """Signs of life: given by this process for its trials, and heard of others, whatever the clocks of machines say.

    Args:
        silence: seconds without one after which a trial is nobody's.
    """

    def __init__(self, silence: float) -> None:
        self.silence = silence
        self.heard: dict[int, tuple[float | None, float]] = {}  # by trial: the last, and since when it is the last

    def is_nobodys(self, trial: FrozenTrial) -> bool:
        """Whether a trial that is running was given up, or is silent: asked now and again."""
        sign, now = trial.user_attrs.get(ALIVE), time.monotonic()
        if self.heard.setdefault(trial.number, (sign, now))[0] != sign:
            self.heard[trial.number] = (sign, now)
        return sign is None or now - self.heard[trial.number][1] > self.silence

    @contextmanager
    def given(self, give: Callable[[float | None], None]) -> Iterator[None]:
        """Inside it `give(sign)` is called again and again by another thread; at the end `give(None)`."""
        ended = threading.Event()

        def go_on() -> None:
            while not ended.wait(self.silence / MANY):
                give(time.time())

        thread = threading.Thread(target=go_on, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            give(None)
