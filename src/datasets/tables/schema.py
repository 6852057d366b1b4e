"""What kind the columns of a table are, and how they are written: the first rows settle it, the others hold to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import nullcontext

import pandas as pd

from src.console.messages import UserError
from src.console.screen import notice, progress
from src.datasets.tables.columns.column import Column
from src.datasets.tables.columns.fields import is_text
from src.datasets.tables.columns.kinds import column_of
from src.datasets.tables.columns.later import check_later, settled_by
from src.datasets.tables.files.file import TableFile
from src.datasets.tables.problems import MOST_TOLD, Problems
from src.datasets.tables.roles import Roles

MANY = 1000  # columns, of which a bar is shown


class Schema:
    """
    Args:
        names: of the columns.
        known: columns of which it is settled already: those of a finished run.
        problems: takes what is wrong with the columns.

    Attributes:
        columns: by name.
    """

    def __init__(self, names: list[str], roles: Roles, known: Sequence[Column], problems: Problems) -> None:
        self.names, self.roles, self.problems = names, roles, problems
        self.columns = {column.name: column.unfitted() for column in known}
        self.is_known = bool(known)
        self.settled: dict[str, list[str]] = {}  # column of numbers -> texts that have settled its format

    def settle(self, chunk: pd.DataFrame, table: TableFile, has_later: bool) -> None:
        """Look at those columns of the first rows, `chunk`, that are not settled yet; `has_later`: rows come behind.

        Raises:
            UserError: no column of dates is written as the user has said.
        """
        new, told = [name for name in self.names if name not in self.columns], list[str]()
        categories = {*self.roles.categorical, *self.roles.texts}
        with progress("looking at the columns", len(new)) if len(new) > MANY else nullcontext(lambda n: None) as done:
            for number, name in enumerate(new):
                is_category = name in categories
                column = Column(name, "category")
                with self.problems.noting(name, f"{table.name}: "):
                    if not is_category:
                        column = column_of(chunk[name], table.text, self.roles.date_format, table.of_file, told.append)
                self.columns[name] = column
                done(number + 1)
                if column.kind == "number" and has_later:
                    self.settled[name] = settled_by(chunk[name], table.text)
        for text in told[:MOST_TOLD]:
            notice(text)
        if len(told) > MOST_TOLD:
            notice(f"... and {len(told) - MOST_TOLD} more lines of this kind.")
        if new and not self.is_known:
            self._check_date_format(table)

    def _check_date_format(self, table: TableFile) -> None:
        said, found = self.roles.date_format, [c for c in self.columns.values() if c.kind == "date"]
        if said and all(column.date_format for column in found):
            others = "".join(f"; {column.name} is as {column.date_format}" for column in found)
            raise UserError(f"date_format={said}: no column of {table.name} is written so{others}.")

    def check_later(self, chunk: pd.DataFrame, table: TableFile, above: int) -> None:
        """See that numbers are written as before; the chunk is behind `above` rows of its file."""
        for name, seen in self.settled.items():
            column = self.columns[name]
            with self.problems.noting(name, f"{table.name}, rows {above + 1} to {above + len(chunk)}: "):
                if check_later(column, chunk[name], table.text, table.of_file, seen):
                    notice(f"{name}: {column.number_format}, in rows {above + 1} to {above + len(chunk)}")

    def texts(self, table: TableFile) -> list[str] | None:
        """The columns to be read as they are written: 007 is no number, nor is a date of digits. None: all."""
        date_format = self.roles.date_format
        if date_format and not re.sub("%.", "", date_format):
            return None
        texts = [name for name, column in self.columns.items() if column.is_text]
        marked = table.text.decimal if isinstance(table.text.decimal, dict) else ()
        return list(dict.fromkeys([*self.roles.categorical, *self.roles.texts, *table.unclear, *marked, *texts]))

    def formatted(self, table: TableFile) -> list[str]:
        """Columns of dates, and of numbers that are not written as 1234.5 is, or may not be."""
        unclear = set(table.unclear)
        columns = [column for column in map(self.columns.__getitem__, self.names) if column.kind in ("number", "date")]
        return [c.name for c in columns if c.kind == "date" or c.number_format or c.name in unclear]

    def written(self, chunk: pd.DataFrame, table: TableFile) -> pd.DataFrame:
        """Those of a chunk that are texts there."""
        return chunk[[name for name in self.formatted(table) if is_text(chunk[name])]]
