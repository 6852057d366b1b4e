"""New rows for a finished run, read and encoded as its own were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from src.console.messages import UserError, listed, nearest
from src.console.screen import notice
from src.datasets.tables.columns.column import Column
from src.datasets.tables.columns.fields import numbers
from src.datasets.tables.encoding import RowEncoder, feature_count
from src.datasets.tables.files.file import TableFile
from src.datasets.tables.files.open import open_table
from src.datasets.tables.signature import signature
from src.datasets.tables.text_format import TextFormat, as_text

ROWS = 8192  # that are read at once, at least


class TableReader:
    """What reads new rows, with all that the run has learnt of its own.

    Args:
        columns: specs of the feature columns, with what was learnt from the training rows.
        other_columns: columns that may be there too: targets, and those that were left out.
        shape: of x; None: as many values as there are features.
        date_format, query: of the run's table.
        targets: specs of the target columns, for the format of their numbers; of runs from before they are not known.
        text: the attributes of the `TextFormat` of the run's table.
    """

    def __init__(
        self,
        columns: list[dict[str, Any]],
        other_columns: list[str],
        shape: list[int] | None,
        date_format: str | None,
        targets: Sequence[dict[str, Any]] = (),
        query: str | None = None,
        **text: Any,
    ) -> None:
        self.columns, self.other_columns = [Column(**spec) for spec in columns], other_columns
        self.encode = RowEncoder(self.columns, self.columns, shape, "the run's table")
        format_of_run = TextFormat(**text)
        self.text = replace(format_of_run, seen_decimal=format_of_run.mark)
        self.date_format, self.query = date_format, query
        self.numbers = [column.name for column in self.columns if column.kind == "number"]
        self.targets = [Column(**spec) for spec in targets]
        self.texts = [column.name for column in self.columns if column.is_text]

    @property
    def feature_counts(self) -> dict[str, int]:
        """Of each column, in the order of x, how many features it makes."""
        return {column.name: feature_count(column) for column in self.columns}

    def signature(self) -> dict[str, Any]:
        """Of which columns x is made, and how; see `signature.signature`."""
        return signature(self.columns, self.targets, self.text, self.date_format)

    def read(self, path: str, batch_size: int, num_workers: int | None) -> Iterator[tuple[pd.DataFrame, Tensor, float]]:
        """Yield rows as they are written in the file, x (B, F) or (B, *shape), and the share that has been read.

        Raises:
            UserError: a column that is missing, or a value that is missing or of another kind.
        """
        table = open_table(path, self.text, query=self.query)
        self._check_columns(table)
        above, before, self.unknown = 0, 0.0, dict[str, Counter[str]]()
        size = max(batch_size, ROWS)
        # Read twice in step, as texts and as numbers: that is twice as fast as to turn the texts into numbers here.
        both = zip(table.rows(size, as_written=True), table.rows(size, self.texts), strict=True)
        for (chunk, share), (fields, _) in both:
            values = self._numbers(fields, table, above)
            x = self.encode(values)
            chunk = self._with_our_numbers(chunk, values, table.text.mark)
            for start in range(0, len(chunk), batch_size):
                end = min(start + batch_size, len(chunk))
                yield chunk.iloc[start:end], x[start:end], before + (share - before) * end / len(chunk)
            above, before = above + len(chunk), share
        for name, texts in self.unknown.items():
            few, rows = listed([repr(text) for text in texts], 5), texts.total()
            notice(f"{name}: the run knows no {few} ({rows} row{'s' * (rows > 1)}): of no category that the net knows.")

    def _with_our_numbers(self, chunk: pd.DataFrame, values: np.ndarray, mark: str) -> pd.DataFrame:
        """The rows with amounts such as $1,234 as numbers, written as the predictions beside them are."""
        columns = dict(zip((column.name for column in self.columns), values.T, strict=True))
        ours: dict[str, Any] = {c.name: columns[c.name] for c in self.columns if c.number_format}
        for column in self.targets:
            if column.number_format and column.name in chunk:
                ours[column.name] = column.number_format.read(chunk[column.name].astype(str))
        for column in [*self.columns, *self.targets] if mark == "," else ():
            if column.kind == "number" and column.name in chunk and column.name not in ours:
                ours[column.name] = chunk[column.name].str.replace(",", ".", regex=False)
        return chunk.assign(**ours)

    def _check_columns(self, table: TableFile) -> None:
        needed, there = {column.name: None for column in self.columns}, set(table.columns)
        line = self.text.header
        for name in needed:
            if name not in there:
                others = [c for c in table.columns if c not in needed]
                hint = nearest(name, others) or (f" The run's names stand in line {line}." if line else "")
                raise UserError(f"{table.as_typed} has no column {name}, which the run needs.{hint}")
        known = {*needed, *self.other_columns}
        if extra := [name for name in table.columns if name not in known]:
            notice(f"{table.as_typed}: the run knows no {listed(extra)}, and does without.")

    def _numbers(self, chunk: pd.DataFrame, table: TableFile, above: int) -> np.ndarray:
        """The rows of a chunk, (B, columns); `above` is how many rows stand above it."""
        values = np.empty((len(chunk), len(self.columns)))
        for j, column in enumerate(self.columns):
            values[:, j] = numbers(
                *(chunk[column.name], column, table.as_typed, above, table.text, self.date_format),
                grow=False,
                hints=False,
            )
            missing = np.isnan(values[:, j])
            if column.kind == "category" and (new := values[:, j] < 0).any():
                self.unknown.setdefault(column.name, Counter()).update(chunk[column.name][new].map(as_text))
            if column.fill is None and missing.any():
                row = above + int(missing.argmax()) + 1
                raise UserError(
                    f"{table.as_typed}, row {row}: {column.name} is missing, and the run has learnt from whole rows "
                    "only. Fill it in, or train with missing=impute."
                )
        return values
