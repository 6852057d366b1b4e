"""Where the user wants a file to be written."""

from __future__ import annotations

import os
from pathlib import Path

from src.console.messages import UserError, nearest


def check_place(as_typed: str, path: Path, *endings: str) -> None:
    """See that a file with one of these endings can be written to `path`, which is typed so, such as -o new.csv.

    Raises:
        UserError: it cannot; why.
    """
    if path.suffix not in endings:
        raise UserError(f"{as_typed}: it must end in {', '.join(endings)}.{nearest(path.suffix, endings)}")
    if path.is_dir() or not path.parent.is_dir():
        reason = "it is a folder" if path.is_dir() else f"the folder {path.parent} does not exist"
        raise UserError(f"{as_typed}: {reason}. Name a file in a folder that exists.")
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"{as_typed}: the folder {path.parent} cannot be written to.")
