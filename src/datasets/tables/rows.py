"""The files of a table -> rows of numbers: each column has its part, each row what it needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from src.console.messages import UserError, listed
from src.console.screen import notice
from src.datasets.tables.columns.column import Column
from src.datasets.tables.columns.fields import numbers
from src.datasets.tables.files.file import TableFile
from src.datasets.tables.problems import Problems
from src.datasets.tables.roles import Roles, check_same_columns
from src.datasets.tables.schema import Schema
from src.datasets.tables.suspects import refuse_names, tell_totals
from src.datasets.tables.typed import dropping

CHUNK = 2**26  # bytes of a large file that are read at once
FIRST = 20_000  # rows
MOST_CATEGORIES = 10_000


class RowReader:
    """Reads the files of one table after another; afterwards it knows their columns and how many rows they gave.

    Args:
        tables: of training, or of everything; then those of val and test.
        known: columns of which kind and format are settled: those of a finished run.

    Attributes:
        feature_names: of the feature columns.
        schema: of all columns that are read.
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
        self.problems = Problems()
        self.schema = Schema(self.names, roles, known, self.problems)
        self.ends = [0] * len(tables)
        self.empty = set(self.names)  # of these no value has been seen
        self.left_out, self.read = 0, 0
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
        has_later, schema = size is not None or len(self.tables) > 1, self.schema
        if size is not None:  # the others are read knowing which columns are texts
            schema.settle(self._first(size), self.tables[0], has_later)
        for i, table in enumerate(self.tables):
            above, last = 0, None
            for chunk, share in table.chunks(size, schema.texts(table)):
                schema.settle(chunk, table, has_later)
                if (i or above) and not self.known:
                    schema.check_later(chunk, table, above)
                features, non_features, keep = self._rows(chunk, table, above)
                if size is None and not i and not self.known:
                    self.held = schema.written(chunk, table)[keep]
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
        elif self.schema.formatted(table):
            for size in (FIRST * table.bytes_per_row(), CHUNK):
                chunk = self._first(int(size))
                yield self.schema.written(chunk, table)[self._rows(chunk, table, 0)[2]]

    def _first(self, size: int) -> pd.DataFrame:
        """About so many bytes of the first file. Raises UserError if it has no rows."""
        for chunk, _ in self.tables[0].chunks(size, self.schema.texts(self.tables[0])):
            return chunk
        raise UserError(f"{self.tables[0].name} has no rows.")

    def tell_left_out(self) -> None:
        """Tell the user how many rows were left out."""
        if self.left_out:
            why = "" if self.roles.missing == "drop" else f", where {listed(self.roles.non_features)} is missing"
            notice(f"missing={self.roles.missing}: {self.left_out} of {self.read} rows were left out{why}.")

    def _rows(self, chunk: pd.DataFrame, table: TableFile, above: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Features (B, F), the other columns (B, M), and which rows are kept (B,).

        Raises:
            UserError: what is wrong with columns, all of them.
        """
        features = self._numbers(chunk, self.feature_names, table, above)
        non_features = self._numbers(chunk, self.roles.non_features, table, above)
        keep = self._complete(features, non_features, table, above + len(chunk))
        if self.problems.of:
            names = [] if self.known else self.feature_names
            for name in names:
                with self.problems.noting(name):
                    refuse_names([self.schema.columns[name]], above + len(chunk), table.name, self.roles.drop)
            raise UserError(self.problems.told(names, self.roles.drop))
        return features, non_features, keep

    def _numbers(self, chunk: pd.DataFrame, names: list[str], table: TableFile, above: int) -> np.ndarray:
        matrix = np.zeros((len(chunk), len(names)))
        for j, name in enumerate(names):
            column = self.schema.columns[name]
            if name in self.problems.of:
                continue
            with self.problems.noting(name):
                matrix[:, j] = numbers(
                    *(chunk[name], column, table.name, above, table.text, self.roles.date_format),
                    grow=True,
                    hints=not self.known,
                )
                if len(column.categories) > MOST_CATEGORIES and name != self.roles.group_column:
                    refuse_names([column], above + len(chunk), table.name, self.roles.drop, MOST_CATEGORIES)
        return matrix

    def _complete(self, features: np.ndarray, non_features: np.ndarray, table: TableFile, read: int) -> np.ndarray:
        """Which rows have all that they need, (B,)."""
        missing = np.hstack([np.isnan(features), np.isnan(non_features)])
        self.empty -= {self.names[j] for j in np.flatnonzero(~missing.all(axis=0))}
        if self.roles.missing is None and missing.any():
            counts = listed([f"{n} ({c})" for n, c in zip(self.names, missing.sum(axis=0), strict=True) if c])
            rows = f" of rows {read - len(features) + 1} to {read}" if read > len(features) else ""
            filling = "" if self.known else ", or missing=impute to fill them in"
            self.problems.of[" missing"] = (
                f"{table.name} has missing values in: {counts}{rows}. "
                f"Say missing=drop to leave those rows out{filling}.{self._tell_empty()}"
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
