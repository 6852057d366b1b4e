"""Signals that ask the program to stop: each ends it with exit code 128 + signal."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_received: list[int] = []


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside it SIGINT and SIGTERM raise SystemExit; outside, all is as it was before."""
    _received.clear()
    before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _stop(number: int, _: Any) -> None:
    _received.append(number)
    sys.exit(128 + number)


def stop_code() -> int | None:
    """The exit code, 128 + signal, if a signal has told us to stop: whatever error it came out as, that is why."""
    return 128 + _received[-1] if _received else None


def stop_if_asked() -> None:
    """Obey a signal whose SystemExit was lost: Python drops those that come while a destructor runs."""
    if _received:
        sys.exit(stop_code())
