"""Locks on files, which end with the process that holds them: by fcntl, or on Windows by msvcrt."""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:
    fcntl: Any = None


def lock(file: IO[str], waits: bool = False, shared_with_children: bool = False) -> None:
    """Lock an open file, until it is closed.

    Args:
        waits: until another has let go of it.
        shared_with_children: processes that this one starts hold it too, by flock, which holds off other threads of
            this process as well; lockf does neither. Windows has only a lock that children do not share.

    Raises:
        OSError: another has it.
    """
    if fcntl is not None:
        take = fcntl.flock if shared_with_children else fcntl.lockf
        take(file, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        return
    msvcrt: Any = importlib.import_module("msvcrt")
    while True:
        try:
            file.seek(0)  # it locks bytes from there on
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            return
        except OSError:
            if not waits:
                raise
            time.sleep(0.1)


def is_locked(path: Path) -> bool:
    """Whether another process holds a file's lock. To see that, it is taken for an instant."""
    try:
        file = path.open("r+")
    except OSError:  # there is none, or it is another user's
        return False
    with file:
        try:
            lock(file)
        except OSError:
            return True
    return False
