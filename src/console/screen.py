"""What a user sees while something long goes on: a bar with the time left, and notices; on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from src.console.signals import stop_if_asked

if TYPE_CHECKING:
    from rich.progress import Progress

_is_taken = False


def is_first_process() -> bool:
    """Of those that train one net together on several devices: that one writes and speaks."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))


def notice(text: str) -> None:
    """A line that the user should see, once for all devices."""
    if is_first_process():
        print(text, file=sys.stderr)


@contextmanager
def taken() -> Iterator[None]:
    """Inside it the screen is a sweep's: its runs show no bar and no table of their own."""
    global _is_taken
    before, _is_taken = _is_taken, True
    try:
        yield
    finally:
        _is_taken = before


def is_taken() -> bool:
    """Whether the screen is a sweep's."""
    return _is_taken


def bar() -> Progress | None:
    """A bar that can show `metrics` beside it; None where nobody looks: no terminal, or another's job."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if is_taken() or not (console.is_terminal and is_first_process()):
        return None
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[metrics]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        expand=True,
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),  # else it goes elsewhere
    )


@contextmanager
def progress(what: str, total: float | None) -> Iterator[Callable[[float], None]]:
    """Inside it `done(amount)` moves a bar, of `total` in all (None: not known), to that amount.

    with progress("reading", total=size) as done:
        done(file.tell())
    """
    shown = bar()
    if shown is None:
        yield lambda amount: stop_if_asked()
        return

    def done(amount: float) -> None:
        stop_if_asked()
        shown.update(task, completed=amount)

    with shown:
        task = shown.add_task(what, total=total, metrics="")
        yield done
