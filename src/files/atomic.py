"""Files and folders that are whole or not there at all, whenever the program ends."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from src.console.signals import stop_if_asked


@contextmanager
def written_whole(path: Path, sync: bool = False, keep: Path | None = None) -> Iterator[Path]:
    """Inside it something is written to the path that it gives; that takes the place of `path` if all goes well.

    The path given is hidden, in the same folder (a rename is whole only within a file system), and ends as `path`
    does. It is always the same, so that the next writing replaces what a kill has left; nothing else is ever left.

    Args:
        path: of the file or folder; what is there before stays if an error is raised.
        sync: also after a power cut; it costs some milliseconds.
        keep: where a file that was there before stays, in place of what is there.
    """
    partial = path.with_name(f".partial.{path.name}")
    _remove(partial)
    try:
        with naming(path):
            yield partial
            stop_if_asked()
            if sync:
                _sync(partial)
            if keep and path.exists():
                path.replace(keep)
            if path.is_dir():
                shutil.rmtree(path)
            partial.replace(path)
            if sync:
                _sync(path.parent)
    finally:
        _remove(partial)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Inside it an error of the system that names no file, such as that of a full disk, names this one."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file that is the old one, or the new one, whenever the program ends."""
    with written_whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _sync(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)  # Windows syncs what is writable
    except PermissionError:
        if path.is_dir():  # Windows opens no folder
            return
        raise
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
