"""What the columns of a table are for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from src.console.messages import UserError, listed
from src.datasets.tables.files.file import TableFile, check_names
from src.datasets.tables.typed import dropping


@dataclass(frozen=True)
class Roles:
    """All columns that are neither dropped nor named here are features; see `read_table`."""

    target: list[str]
    group_column: str | None
    split_column: str | None
    drop: list[str]
    categorical: list[str]
    date_format: str | None
    missing: Literal["drop", "impute"] | None

    @property
    def non_features(self) -> list[str]:
        """The columns that are read, but are no features: targets, group, split."""
        return [*self.target, *self.texts]

    @property
    def texts(self) -> list[str]:
        """The columns that are read as they are written, though they may hold numbers."""
        return [name for name in (self.group_column, self.split_column) if name]

    def features(self, table: TableFile) -> list[str]:
        """The names of the feature columns.

        Raises:
            UserError: a column that is not there, or is named for two purposes, or has no name; or no feature.
        """
        check_names(table, target=self.target, split_column=self.split_column, group_column=self.group_column)
        check_names(table, drop=self.drop, categorical=self.categorical)
        for name in self.non_features:
            if name in self.drop or self.non_features.count(name) > 1:
                raise UserError(f"{name} is named twice among target=, group_column=, split_column= and drop=.")
        left_out = {*self.non_features, *self.drop}
        names = [name for name in table.columns if name not in left_out]
        unnamed = [name for name in names if re.fullmatch(r"Unnamed: \d+", name)]
        if unnamed:
            raise UserError(
                f"{table.name}: column {table.columns.index(unnamed[0]) + 1} has no name. "
                f"Name it, or leave it out: {dropping([*self.drop, *unnamed])}."
            )
        if not names:
            raise UserError(f"{table.name} has no column but the target.")
        return names


def check_same_columns(train: TableFile, other: TableFile, drop: list[str]) -> None:
    """See that two files of one table have the same columns, but for those that are dropped.

    Raises:
        UserError: they differ; in what.
    """
    dropped = set(drop)
    missing, extra = (
        [name for name in columns if name not in others and name not in dropped]
        for columns, others in ((train.columns, set(other.columns)), (other.columns, set(train.columns)))
    )
    if missing or extra:
        lacks = f" It lacks {listed(missing, 10)}." if missing else ""
        has = f" It alone has {listed(extra, 10)}." if extra else ""
        raise UserError(f"{other.as_typed} is another table than {train.name}.{lacks}{has}")
