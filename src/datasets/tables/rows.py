"""The files of a table -> rows of numbers: each column has its part, each row what it needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

import numpy as np
import pandas as pd

from src.console.screen import notice
from src.datasets.tables.columns import Column, kind_of, numbers
from src.datasets.tables.file import TableFile, check_names

CHUNK = 2**26  # bytes of a large file that are read at once
MOST_CATEGORIES = 10_000


@dataclass
class Roles:
    """What the columns of a table are for; all that is neither dropped nor named here is a feature."""

    targets: list[str]
    group: str | None = None
    split: str | None = None
    drop: list[str] = field(default_factory=list)
    categorical: list[str] = field(default_factory=list)
    date_format: str | None = None
    missing: Literal["drop", "impute"] | None = None

    @property
    def others(self) -> list[str]:
        """The columns that are no features."""
        return [*self.targets, *(name for name in (self.group, self.split) if name)]

    def features(self, table: TableFile) -> list[str]:
        """The names of the feature columns.

        Raises:
            ValueError: a column that is not there, or is named for two purposes, or has no name; or no feature.
        """
        check_names(table, target=self.targets, split_column=self.split, group_column=self.group)
        check_names(table, drop=self.drop, categorical=self.categorical)
        for name in self.others:
            if name in self.drop or self.others.count(name) > 1:
                raise ValueError(f"{name} is named twice among data.target, group_column, split_column and drop.")
        names = [name for name in table.columns if name not in self.others and name not in self.drop]
        unnamed = [name for name in names if re.fullmatch(r"Unnamed: \d+", name)]
        if unnamed:
            raise ValueError(
                f"{table.name}: column {table.columns.index(unnamed[0]) + 1} has no name. "
                f"Name it, or leave it out: \"data.drop=['{unnamed[0]}']\"."
            )
        if not names:
            raise ValueError(f"{table.name} has no column but the target.")
        return names


class Rows:
    """Reads the files of one table after another; afterwards it knows their columns and how many rows they gave.

    Args:
        tables: of training, or of everything; then those of val and test.
        known: the feature columns of a finished run, whose kinds hold.
    """

    def __init__(self, tables: list[TableFile], roles: Roles, known: list[Column] | None = None) -> None:
        self.tables, self.roles = tables, roles
        self.features = roles.features(tables[0])
        for table in tables[1:]:
            _same_columns(tables[0], table, roles.drop)
        self.columns: dict[str, Column] = {c.name: Column(c.name, c.kind) for c in known or []}
        self.ends = [0] * len(tables)
        self.left_out, self.read = 0, 0

    def matrices(self, size: int | None) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
        """Features (B, F), the other columns (B, M), and the share of the files that has been read.

        From chunks of about `size` bytes; None: a whole file at once. The first one shows the kinds of the columns.
        """
        if size is not None:  # the others are read knowing which columns are texts
            for chunk, _ in islice(self.tables[0].chunks(size, self._texts()), 1):
                self._find(chunk, self.tables[0])
        for i, table in enumerate(self.tables):
            above = 0
            for chunk, share in table.chunks(size, self._texts()):
                self._find(chunk, table)
                features = self._numbers(chunk, self.features, table, above)
                others = self._numbers(chunk, self.roles.others, table, above)
                above += len(chunk)
                keep = self._complete(features, others, table, above)
                self.ends[i] += int(keep.sum())
                self.left_out, self.read = self.left_out + int((~keep).sum()), self.read + len(chunk)
                yield features[keep], others[keep], (i + share) / len(self.tables)
            if not self.ends[i]:
                lack = f" in which no value is missing, of {above}: data.missing=impute" if above else ""
                raise ValueError(f"{table.name} has no rows{lack}.")
            if i + 1 < len(self.tables):
                self.ends[i + 1] = self.ends[i]

    def say(self) -> None:
        """Tell how many rows were left out."""
        if self.left_out:
            notice(f"data.missing={self.roles.missing}: {self.left_out} of {self.read} rows were left out.")

    def _texts(self) -> list[str] | None:
        """The columns to be read as they are written: 007 is no number, nor is a date of digits."""
        date_format = self.roles.date_format
        if date_format and not re.sub("%.", "", date_format):
            return None
        texts = [*self.roles.categorical, *(n for n in (self.roles.group, self.roles.split) if n)]
        found = [name for name, column in self.columns.items() if column.kind in ("category", "date")]
        return list(dict.fromkeys([*texts, *found]))

    def _find(self, chunk: pd.DataFrame, table: TableFile) -> None:
        for name in [*self.features, *self.roles.others]:
            if name not in self.columns:
                as_is = name in self.roles.categorical or name in (self.roles.group, self.roles.split)
                found = kind_of(chunk[name], table.name, table.decimal, self.roles.date_format) if not as_is else ""
                self.columns[name] = Column(name, found or "category")

    def _numbers(self, chunk: pd.DataFrame, names: list[str], table: TableFile, above: int) -> np.ndarray:
        matrix = np.empty((len(chunk), len(names)))
        for j, name in enumerate(names):
            column = self.columns[name]
            matrix[:, j] = numbers(
                chunk[name], column, table.name, above, table.decimal, self.roles.date_format, grow=True
            )
            if len(column.codes) > MOST_CATEGORIES and name != self.roles.group:
                refuse_names(column, above + len(chunk), table.name)
        return matrix

    def _complete(self, features: np.ndarray, others: np.ndarray, table: TableFile, read: int) -> np.ndarray:
        """Which rows have all that they need, (B,)."""
        missing = np.hstack([np.isnan(features), np.isnan(others)])
        if self.roles.missing is None and missing.any():
            names = [*self.features, *self.roles.others]
            counts = ", ".join(f"{n} ({c})" for n, c in zip(names, missing.sum(axis=0), strict=True) if c)
            seen = f" of rows {read - len(features) + 1} to {read}" if read > len(features) else ""
            raise ValueError(
                f"{table.name} has missing values in: {counts}{seen}. "
                "Say data.missing=drop to leave those rows out, or data.missing=impute to fill them in."
            )
        needed = missing if self.roles.missing == "drop" else missing[:, features.shape[1] :]
        return np.logical_not(needed.any(axis=1))


def refuse_names(column: Column, rows: int, where: str) -> None:
    """Raise ValueError for a column of texts, of which hardly any comes twice: names, or notes."""
    raise ValueError(
        f"{where}: {column.name} has {len(column.codes)} different texts in {rows} rows, too many to learn from. "
        f"Leave it out: data.drop=[{column.name}]."
    )


def _same_columns(train: TableFile, other: TableFile, drop: list[str]) -> None:
    missing = [name for name in train.columns if name not in other.columns and name not in drop]
    extra = [name for name in other.columns if name not in train.columns and name not in drop]
    if missing or extra:
        lacks = f" It lacks {', '.join(missing[:10])}." if missing else ""
        has = f" It alone has {', '.join(extra[:10])}." if extra else ""
        raise ValueError(f"{other.said} is another table than {train.name}.{lacks}{has}")
