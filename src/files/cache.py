"""Where downloads and converted tables are kept, each made by one process at a time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from src.console.messages import UserError
from src.console.screen import notice
from src.files.home import expanded
from src.files.lock import lock


def cache_folder(cache: str | None) -> Path:
    """The folder `cache`, or by default `$XDG_CACHE_HOME/kindling` (`~/.cache/kindling`); made if it is not there.

    Raises:
        UserError: it cannot be made or written to.
    """
    folder = expanded(cache or f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/kindling")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"The cache {folder} cannot be made: {error.strerror}. Choose another: cache=.") from error
    if not os.access(folder, os.W_OK):
        raise UserError(f"The cache {folder} cannot be written to. Choose another: cache=.")
    return folder


@contextmanager
def locked(path: Path, waiting: str | None = None) -> Iterator[None]:
    """Only one process at a time is inside; one that has to wait says `waiting`."""
    with path.open("a") as file:
        try:
            lock(file, shared_with_children=True)
        except OSError:
            if waiting:
                notice(waiting)
            lock(file, waits=True, shared_with_children=True)
        yield


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes have left half-written in it: each `.partial.NAME` whose lock NAME.lock is free."""
    for partial in folder.glob(".partial.*"):
        name = partial.name.removeprefix(".partial.")
        with (folder / f"{name}.lock").open("a") as file, suppress(OSError):
            lock(file, shared_with_children=True)
            shutil.rmtree(partial)
