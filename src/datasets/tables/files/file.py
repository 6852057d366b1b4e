"""A table in a file, in chunks of rows, whatever the file is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from src.console.messages import UserError, listed, nearest
from src.datasets.tables.text_format import TextFormat, as_text
from src.datasets.tables.typed import listing, naming

Chunks = Iterator[tuple[pd.DataFrame, float]]
"""Chunks of rows, and the share of the file that has been read, 0 to 1."""
MARKS = " \t[]{}'\""  # at the ends of a name: what is typed without quotes for Hydra arrives without them


class TableFile(ABC):
    """The columns and rows of a file, which is opened anew for each reading.

    Attributes:
        name: the file's, for messages.
        as_typed: what the user typed to name it, such as path=house.csv.
        text: how its texts are written.
        columns: their names.
        of_file: the decimal mark that most columns have; ";" where the separator alone hints at it; None: not known.
        unclear: columns in which a comma or point may be either mark: they are read as texts, to be looked at.
    """

    columns: list[str]
    of_file: str | None = None
    unclear: Sequence[str] = ()

    def __init__(self, path: Path, name: str, as_typed: str, text: TextFormat) -> None:
        self.path, self.name, self.as_typed, self.text = path, name, as_typed, text

    def chunks(self, size: int | None, texts: Iterable[str] | None = ()) -> Chunks:
        """Chunks of about `size` bytes; None: all in one. `texts` as in `rows`."""
        return self.rows(2**31 if size is None else max(1, int(size / self.bytes_per_row())), texts)

    def as_in_run(self, seen_decimal: str | None, none_is_missing: bool) -> None:
        """Take what a finished run has found, but for a decimal mark of which the values here leave no doubt."""
        seen = seen_decimal if self.unclear or self.of_file not in (",", ".") else self.text.seen_decimal
        self.text = replace(self.text, seen_decimal=seen, none_is_missing=none_is_missing)
        self.unclear = ()

    def line_of(self, name: str) -> int | None:
        """Which of the first lines, from 1, has a field of this name, and may be the header."""
        return None

    @abstractmethod
    def rows(self, count: int, texts: Iterable[str] | None = (), as_written: bool = False) -> Chunks:
        """Chunks of `count` rows.

        Numbers and booleans are of such a dtype where a column's chunk holds nothing else, but for the columns
        `texts` (None: all). `as_written`: every field is a text, also a missing one.
        """

    @abstractmethod
    def bytes(self) -> int:
        """About how many the table has, uncompressed."""

    @abstractmethod
    def bytes_per_row(self) -> float:
        """About how many a row has, uncompressed."""


class HeldTable(TableFile):
    """A table of which all rows are held in memory; each column is of its own type, so that `texts` says nothing."""

    frame: pd.DataFrame

    def rows(self, count: int, texts: Iterable[str] | None = (), as_written: bool = False) -> Chunks:
        for start in range(0, len(self.frame), count):
            chunk = self.frame.iloc[start : start + count]
            yield _as_written(chunk) if as_written else chunk, min(1.0, (start + count) / len(self.frame))

    def bytes(self) -> int:
        return 0  # beside what is held anyway

    def bytes_per_row(self) -> float:
        return 1


def _as_written(chunk: pd.DataFrame) -> pd.DataFrame:
    return chunk.apply(lambda column: column.map(as_text, na_action="ignore").astype(object).fillna(""))


def check_header(names: list[str], as_typed: str) -> list[str]:
    """The names of columns; `Unnamed: 2` for a third one that is empty.

    Raises:
        UserError: two of one name.
    """
    twice = sorted(name for name, count in Counter(names).items() if name and count > 1)
    if twice:
        why = _numbers_for_names(names) or " Each needs a name of its own."
        raise UserError(f"{as_typed}: two columns are named {listed(twice)}.{why}")
    return [name or f"Unnamed: {i}" for i, name in enumerate(names)]


def _numbers_for_names(names: list[str]) -> str:
    """What is wrong, where all names are numbers."""
    are_numbers = not pd.to_numeric(pd.Series(names), errors="coerce").isna().any()
    return " Those are numbers: is there no line of names? Write one at its beginning." if are_numbers else ""


def check_names(table: TableFile, **options: str | list[str] | None) -> None:
    """See that each column that `options` name, such as target="y", is in the table.

    Raises:
        UserError: one is not; the option, and the names that come nearest.
    """
    known = set(table.columns)
    for option, names in options.items():
        for name in [names] if isinstance(names, str) else names or []:
            if name not in known:
                hint = nearest(name, table.columns) or f" It has: {listed(table.columns)}."
                odd = next((c for c in table.columns if c != c.strip(MARKS) == name.strip(MARKS)), None)
                if odd is not None:
                    blanks = ", with blanks," if odd != odd.strip() else ""
                    typed = listing(option, [odd]) if option in ("drop", "categorical") else naming(option, odd)
                    hint = f" {odd!r}{blanks} is: type {typed}."
                if line := table.line_of(name):
                    hint = f" Line {line} holds it: if the names stand there, say header={line}."
                hint += _numbers_for_names(table.columns)
                raise UserError(f"{option}={name!r} is not a column of {table.name}.{hint}")
