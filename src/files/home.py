"""A path as it is typed, with ~ for the user's folder."""

from __future__ import annotations

from pathlib import Path


def expanded(path: str) -> Path:
    """In another user's folder for ~name/...; where there is no such user it is the name of a file, such as ~x.csv."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)
