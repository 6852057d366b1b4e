"""The files of a table -> rows of numbers: each column has its part, each row what it needs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import islice

import numpy as np
import pandas as pd

from src.console.messages import UserError, listed
from src.console.screen import notice, progress
from src.datasets.tables.columns import Column
from src.datasets.tables.fields import is_text, numbers
from src.datasets.tables.file import TableFile
from src.datasets.tables.kinds import column_of
from src.datasets.tables.later import check_later, settled_by
from src.datasets.tables.roles import Roles, check_same_columns, dropping
from src.datasets.tables.suspects import refuse_names, tell_totals

CHUNK = 2**26  # bytes of a large file that are read at once
FIRST = 20_000  # rows
MOST_CATEGORIES = 10_000
MOST_TOLD = 20  # problems, and notices
MANY = 1000  # columns, of which a bar is shown


class RowReader:
    """Reads the files of one table after another; afterwards it knows their columns and how many rows they gave.

    Args:
        tables: of training, or of everything; then those of val and test.
        known: columns of which kind and format are settled: those of a finished run.

    Attributes:
        feature_names: of the feature columns.
        columns: of all that are read, by name.
        ends: how many rows were kept up to the end of each file.
        left_out: how many rows were not kept.
        read: how many rows there were.
    """

    def __init__(self, tables: list[TableFile], roles: Roles, known: Sequence[Column]) -> None:
        self.tables, self.roles = tables, roles
        self.feature_names = roles.features(tables[0])
        for table in tables[1:]:
            check_same_columns(tables[0], table, roles.drop)
        self.known = [column.unfitted().spec() for column in known]
        self.columns = {column.name: column.unfitted() for column in known}
        self.ends = [0] * len(tables)
        self.empty = set(self.names)  # of these no value has been seen
        self.left_out, self.read = 0, 0
        self.problems: dict[str, str] = {}  # column -> what is wrong with it
        self.settled: dict[str, list[str]] = {}  # column of numbers -> texts in the rows that have settled its format
        self.has_later = False  # rows behind those
        self.held: pd.DataFrame | None = None  # see `written`

    @property
    def names(self) -> list[str]:
        """Those of all columns that are read, the features first."""
        return [*self.feature_names, *self.roles.non_features]

    def matrices(self, size: int | None) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
        """Features (B, F), the other columns (B, M), and the share of the files that has been read.

        From chunks of about `size` bytes; None: a whole file at once. The first one settles what kind the columns are
        and how they are written. What comes behind holds to it, or is an error that names it.
        """
        self.has_later = size is not None or len(self.tables) > 1
        if size is not None:  # the others are read knowing which columns are texts
            self._settle(size)
        for i, table in enumerate(self.tables):
            above, last = 0, None
            for chunk, share in table.chunks(size, self._texts(table)):
                self._add_columns(chunk, table)
                if (i or above) and not self.known:
                    self._check_later(chunk, table, above)
                features, non_features, keep = self._rows(chunk, table, above)
                if size is None and not i and not self.known:
                    self.held = self._written(chunk, keep)
                above, last = above + len(chunk), chunk.iloc[-1] if len(chunk) else last
                self.ends[i] += int(keep.sum())
                self.left_out, self.read = self.left_out + int((~keep).sum()), self.read + len(chunk)
                if not keep.all():
                    features, non_features = features[keep], non_features[keep]
                del chunk
                yield features, non_features, (i + share) / len(self.tables)
                del features, non_features  # or they would fill the memory while the next are read
            if last is None:
                raise UserError(f"{table.name} has no rows.")
            if not self.known:
                tell_totals(last, table.name)
            if not self.ends[i]:
                lack = f"in which no value is missing, of {above}: missing=impute"
                raise UserError(f"{table.name} has no rows {lack}.{self._tell_empty()}")
            if i + 1 < len(self.tables):
                self.ends[i + 1] = self.ends[i]

    def written(self) -> Iterator[pd.DataFrame]:
        """As they are written, the rows that have settled how numbers and dates are: the first few; then all of them.

        Those that were kept, and the columns that hold such. A table that is not held in memory is read again.
        """
        table, held, self.held = self.tables[0], self.held, None
        if held is not None:
            yield from (held[:FIRST], held)
        elif self._with_formats():
            for count in (FIRST, max(1, int(CHUNK / table.bytes_per_row()))):
                chunk, _ = next(table.rows(count, self._texts(table)))
                yield self._written(chunk, self._rows(chunk, table, 0)[2])

    def _written(self, chunk: pd.DataFrame, keep: np.ndarray) -> pd.DataFrame:
        return chunk.loc[keep, [name for name in self._with_formats() if is_text(chunk[name])]]

    def _with_formats(self) -> list[str]:
        """Columns of dates, and of numbers that are not written as 1234.5 is, or may not be."""
        unclear = set(self.tables[0].unclear)
        columns = [column for column in map(self.columns.__getitem__, self.names) if column.kind in ("number", "date")]
        return [c.name for c in columns if c.kind == "date" or c.number_format or c.name in unclear]

    def tell_left_out(self) -> None:
        """Tell the user how many rows were left out."""
        if self.left_out:
            why = "" if self.roles.missing == "drop" else f", where {listed(self.roles.non_features)} is missing"
            notice(f"missing={self.roles.missing}: {self.left_out} of {self.read} rows were left out{why}.")

    def _rows(self, chunk: pd.DataFrame, table: TableFile, above: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Features (B, F), the other columns (B, M), and which rows are kept (B,). Raises UserError for all columns."""
        features = self._numbers(chunk, self.feature_names, table, above)
        non_features = self._numbers(chunk, self.roles.non_features, table, above)
        keep = self._complete(features, non_features, table, above + len(chunk))
        self._raise_problems(above + len(chunk), table)
        return features, non_features, keep

    def _texts(self, table: TableFile) -> list[str] | None:
        """The columns to be read as they are written: 007 is no number, nor is a date of digits."""
        date_format = self.roles.date_format
        if date_format and not re.sub("%.", "", date_format):
            return None
        texts = [name for name, column in self.columns.items() if column.is_text]
        marked = table.text.decimal if isinstance(table.text.decimal, dict) else ()
        return list(dict.fromkeys([*self.roles.categorical, *self.roles.texts, *table.unclear, *marked, *texts]))

    def _settle(self, size: int) -> None:
        """What kind the columns are, by the first chunk."""
        for chunk, _ in islice(self.tables[0].chunks(size, self._texts(self.tables[0])), 1):
            self._add_columns(chunk, self.tables[0])

    def _add_columns(self, chunk: pd.DataFrame, table: TableFile) -> None:
        new = [name for name in self.names if name not in self.columns]
        categories, told = {*self.roles.categorical, *self.roles.texts}, list[str]()
        with progress("looking at the columns", len(new)) if len(new) > MANY else nullcontext(lambda n: None) as done:
            for number, name in enumerate(new):
                is_category = name in categories
                column = Column(name, "category")
                with self._noting(name, f"{table.name}: "):
                    if not is_category:
                        column = column_of(chunk[name], table.text, self.roles.date_format, table.of_file, told.append)
                self.columns[name] = column
                done(number + 1)
                if column.kind == "number" and self.has_later:
                    self.settled[name] = settled_by(chunk[name], table.text)
        for text in told[:MOST_TOLD]:
            notice(text)
        if len(told) > MOST_TOLD:
            notice(f"... and {len(told) - MOST_TOLD} more lines of this kind.")
        if new and not self.known:
            self._check_date_format()

    def _check_later(self, chunk: pd.DataFrame, table: TableFile, above: int) -> None:
        """Numbers that are written in other ways than those before; the chunk is behind `above` rows of its file."""
        for name, seen in self.settled.items():
            column = self.columns[name]
            with self._noting(name, f"{table.name}, rows {above + 1} to {above + len(chunk)}: "):
                if check_later(column, chunk[name], table.text, table.of_file, seen):
                    notice(f"{name}: {column.number_format}, in rows {above + 1} to {above + len(chunk)}")

    def _check_date_format(self) -> None:
        """Raise UserError if no column of dates is written as the user has said."""
        said, found = self.roles.date_format, [c for c in self.columns.values() if c.kind == "date"]
        if said and all(column.date_format for column in found):
            others = "".join(f"; {column.name} is as {column.date_format}" for column in found)
            raise UserError(f"date_format={said}: no column of {self.tables[0].name} is written so{others}.")

    @contextmanager
    def _noting(self, name: str, where: str = "") -> Iterator[None]:
        """Inside it a UserError is a problem of this column, to be told with those of the others."""
        try:
            yield
        except UserError as error:
            self.problems.setdefault(name, f"{where}{error}")

    def _raise_problems(self, rows: int, table: TableFile) -> None:
        """Raise UserError if a column has a problem: of all columns."""
        if not self.problems:
            return
        for name in () if self.known else self.feature_names:
            with self._noting(name):
                refuse_names([self.columns[name]], rows, table.name, self.roles.drop)
        told, names = list(dict.fromkeys(self.problems.values())), [n for n in self.feature_names if n in self.problems]
        # All columns say the same of a second header, which is no reason to go.
        if self.known or len(told) < len(self.problems):
            names = []
        if len(told) > MOST_TOLD:
            told[MOST_TOLD:] = [f"... and {len(told) - MOST_TOLD} more columns."]
        if len(names) > 1 or (names and self.roles.drop):
            these = "these columns" if len(names) > 1 else "it"
            told.append(f"To leave {these} out: {dropping([*self.roles.drop, *names])}.")
        raise UserError("\n".join(told))

    def _numbers(self, chunk: pd.DataFrame, names: list[str], table: TableFile, above: int) -> np.ndarray:
        matrix = np.zeros((len(chunk), len(names)))
        for j, name in enumerate(names):
            column = self.columns[name]
            if name in self.problems:
                continue
            with self._noting(name):
                matrix[:, j] = numbers(
                    *(chunk[name], column, table.name, above, table.text, self.roles.date_format),
                    grow=True,
                    hints=not self.known,
                )
                if len(column.codes) > MOST_CATEGORIES and name != self.roles.group_column:
                    refuse_names([column], above + len(chunk), table.name, self.roles.drop, MOST_CATEGORIES)
        return matrix

    def _complete(self, features: np.ndarray, non_features: np.ndarray, table: TableFile, read: int) -> np.ndarray:
        """Which rows have all that they need, (B,)."""
        missing = np.hstack([np.isnan(features), np.isnan(non_features)])
        self.empty -= {self.names[j] for j in np.flatnonzero(~missing.all(axis=0))}
        if self.roles.missing is None and missing.any():
            counts = listed([f"{n} ({c})" for n, c in zip(self.names, missing.sum(axis=0), strict=True) if c])
            rows = f" of rows {read - len(features) + 1} to {read}" if read > len(features) else ""
            self.problems[" missing"] = (
                f"{table.name} has missing values in: {counts}{rows}. "
                f"Say missing=drop to leave those rows out, or missing=impute to fill them in.{self._tell_empty()}"
            )
        needed = missing if self.roles.missing == "drop" else missing[:, features.shape[1] :]
        return np.logical_not(needed.any(axis=1))

    def _tell_empty(self) -> str:
        """Which columns have no value at all, and what to type first of all if they are features."""
        lost = [name for name in self.roles.non_features if name in self.empty]
        told = f" {listed(lost)}, which no row can do without: there is no value at all." if lost else ""
        names = [name for name in self.feature_names if name in self.empty]
        typed = dropping([*self.roles.drop, *names])
        return told + (f" {listed(names)}: there is no value at all; leave out: {typed}." if names else "")
