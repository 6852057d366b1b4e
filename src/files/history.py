"""logs/metrics.csv, read: a row for each epoch that was measured."""

from __future__ import annotations

import csv
from pathlib import Path

from src.console.screen import notice

Row = dict[str, float]
BESIDE_METRICS = ("epoch", "step", "seconds", "lr")


def history_of(folder: str | Path) -> Path:
    """Where a run keeps its history."""
    return Path(folder) / "logs" / "metrics.csv"


def read_history(path: Path) -> list[Row]:
    """The rows of a metrics.csv that can be read; a cell that was not measured is left out."""
    rows, damaged = readable(path)
    if damaged:
        notice(f"{path} is damaged: {damaged} of its lines cannot be read. The run needs none of it, and goes on.")
    return rows


def readable(path: Path) -> tuple[list[Row], int]:
    """The rows of a metrics.csv that can be read, and how many lines cannot."""
    if not path.exists():
        return [], 0
    header, *lines = path.read_bytes().splitlines(keepends=True) or [b""]
    try:
        names = _cells(header)
    except ValueError:
        return [], len(lines) + 1
    rows = [row for line in lines if (row := _row(names, line))]
    return rows, len(lines) - len(rows)


def _row(names: list[str], line: bytes) -> Row | None:
    try:
        cells = zip(names, _cells(line), strict=True)
        row = {k: int(v) if k in ("epoch", "step") else float(v) for k, v in cells if v}
    except ValueError:
        return None
    return row if row.keys() >= set(BESIDE_METRICS) else None


def _cells(line: bytes) -> list[str]:
    """Raise ValueError if the line is cut, or no line of a table."""
    if not line.endswith(b"\n"):
        raise ValueError
    try:
        return next(csv.reader([line.decode()]))
    except csv.Error as error:
        raise ValueError from error
