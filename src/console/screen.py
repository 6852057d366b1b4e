"""What a user sees while something long goes on: a bar with the time left, and notices; on stderr."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from src.console.lines import Lines
from src.console.messages import with_keys
from src.console.signals import stop_if_asked

if TYPE_CHECKING:
    from rich.progress import Progress

_in_sweep = _is_elsewhere = False
_shared: Progress | None = None
_said: set[str] = set()
_keys: Mapping[str, str] = {}


def is_first_process() -> bool:
    """Of those that train one net together on several devices: that one writes and speaks."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))


@contextmanager
def in_keys(keys: Mapping[str, str]) -> Iterator[None]:
    """Inside it notices say the key that the user types for each `parameter=` in them."""
    global _keys
    before, _keys = _keys, keys
    try:
        yield
    finally:
        _keys = before


def notice(text: str) -> None:
    """A line that the user should see, once for all devices, and once for all jobs of a sweep."""
    text = with_keys(text, _keys)
    if is_first_process() and text not in _said:
        print(text, file=sys.stderr)
        if in_sweep():
            _said.add(text)


@contextmanager
def screen_of_sweep(elsewhere: bool = False) -> Iterator[Progress | None]:
    """Inside it the screen is a sweep's, with the bar given: its runs print no table, and their bars are rows below.

    `elsewhere`: the sweep is another process', and there is no bar.
    """
    global _in_sweep, _is_elsewhere, _shared
    before = _in_sweep, _is_elsewhere, _shared
    _in_sweep, _is_elsewhere = True, elsewhere
    _shared = None if elsewhere else _own_bar(speed_estimate_period=math.inf)  # a job may take hours
    try:
        with _shared or nullcontext():
            yield _shared
    finally:
        _in_sweep, _is_elsewhere, _shared = before
        _said.clear()


def in_sweep() -> bool:
    """Whether this is a job of a sweep, which has the screen."""
    return _in_sweep


def is_sweep_elsewhere() -> bool:
    """Whether that sweep is another process'."""
    return _is_elsewhere


class Row:
    """What a run uses of a bar, as a row of a sweep's."""

    def __init__(self, shown: Progress) -> None:
        self.shown, self.tasks = shown, list[Any]()
        self.update = shown.update

    def add_task(self, what: str, **fields: Any) -> Any:
        self.tasks.append(self.shown.add_task(what, **fields))
        return self.tasks[-1]

    def start(self) -> None:
        """It has begun with the sweep's."""

    def stop(self) -> None:
        for task in self.tasks:
            self.shown.remove_task(task)
        self.tasks.clear()

    def __enter__(self) -> Row:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def bar() -> Progress | Row | Lines | None:
    """A bar that can show `metrics` beside it, lines where no terminal is; None where it is another process' job."""
    if in_sweep():
        return Row(_shared) if _shared is not None else None
    return _own_bar() or (Lines() if is_first_process() and sys.stderr is not None else None)


def _own_bar(**options: Any) -> Progress | None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not (console.is_terminal and is_first_process()):
        return None
    return Progress(
        TextColumn("{task.description}", markup=False),  # it may be a name such as [a]
        BarColumn(bar_width=None),
        TextColumn("{task.fields[metrics]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        expand=True,
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),  # else it goes elsewhere
        **options,
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
