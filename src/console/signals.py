"""Signals that ask the program to stop: each ends it with exit code 128 + signal.

While a net learns they wait for a safe point, where the state can be saved; a second one ends the program at once.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Ctrl-C, kill, a closed terminal; from Slurm, that the time is nearly up; the processor's limit. Windows has two.
NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGXCPU")
STOPPING = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
ECHO = 0.5  # seconds: a closed terminal may send its signal twice, and fingers bounce

_received: list[tuple[int, float]] = []
_waits = False


@contextmanager
def stoppable(ends_process: bool = False) -> Iterator[None]:
    """Inside it such a signal raises SystemExit, unless `wait_for_safe_points`; outside, all is as it was before.

    `ends_process`: the program ends then, and another signal cannot change the exit code.
    """
    _received.clear()
    wait_for_safe_points(False)
    heard = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores some
    before = {number: signal.signal(number, _receive) for number in heard}
    hook, sys.unraisablehook = sys.unraisablehook, _pass_over_lost
    try:
        yield
    finally:
        sys.unraisablehook = hook
        wait_for_safe_points(False)
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if ends_process and _received else handler or signal.SIG_DFL)
        _received.clear()


def wait_for_safe_points(waits: bool) -> None:
    """From now on a first signal is only noted, for `stop_code`; or again not."""
    global _waits
    _waits = waits


@contextmanager
def undivided() -> Iterator[None]:
    """Inside it a first signal is only noted; it is obeyed at the end."""
    wait_for_safe_points(True)
    try:
        yield
    finally:
        wait_for_safe_points(False)
    stop_if_asked()


def _receive(number: int, _: Any) -> None:
    _received.append((number, time.monotonic()))
    insists = _received[-1][1] - _received[0][1] > ECHO
    if insists or not (_waits or len(_received) > 1):
        sys.exit(stop_code())


def _pass_over_lost(lost: Any) -> None:
    """Python would print the traceback of a SystemExit that came while a destructor ran: see `stop_if_asked`."""
    if not (_received and isinstance(lost.exc_value, SystemExit)):
        sys.__unraisablehook__(lost)


def stop_code() -> int | None:
    """The exit code, 128 + signal, if a signal has told us to stop: whatever error it came out as, that is why."""
    return 128 + _received[0][0] if _received else None


def stop_if_asked() -> None:
    """Obey a signal whose SystemExit was lost: Python drops those that come while a destructor runs."""
    if _received and not _waits:
        sys.exit(stop_code())


def leave_signals_to_parent(_: int = 0) -> None:
    """In a loading process: a terminal or Slurm sends them to every process, and the parent decides what they mean."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
