"""New rows for a finished run, read and encoded as its own were."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from src.console.messages import nearest
from src.datasets.tables.columns import Column, numbers
from src.datasets.tables.encoding import encode
from src.datasets.tables.file import TableFile

ROWS = 8192  # that are read at once, at least


class TableReader:
    """
    Args:
        columns: specs of the feature columns, with what was learnt from the training rows.
        others: columns that may be there too: targets, and those that were left out.
        shape: of x; None: as many values as there are features.
        separator, decimal, encoding, date_format: of the run's own table.
    """

    def __init__(
        self,
        columns: list[dict[str, Any]],
        others: list[str],
        shape: list[int] | None,
        separator: str | None,
        decimal: str,
        encoding: str,
        date_format: str | None,
    ) -> None:
        self.columns, self.others, self.shape = [Column(**spec) for spec in columns], others, shape
        self.text, self.date_format = (separator, decimal, encoding), date_format
        self.numbers = [column.name for column in self.columns if column.kind == "number"]
        self.texts = [column.name for column in self.columns if column.kind in ("category", "date")]

    def read(self, path: str, batch_size: int, num_workers: int | None) -> Iterator[tuple[pd.DataFrame, Tensor, float]]:
        """Yield rows as they are written in the file, x (B, F) or (B, *shape), and the share that has been read.

        Raises:
            ValueError: a column that is missing or not known, or a value that is missing or of another kind.
        """
        table = TableFile(path, *self.text, key="")
        self._check_columns(table)
        above = 0
        size = max(batch_size, ROWS)
        # Read twice in step, as texts and as numbers: that is twice as fast as to turn the texts into numbers here.
        both = zip(table.rows(size, as_written=True), table.rows(size, self.texts), strict=True)
        for (chunk, share), (fields, _) in both:
            x = self._encoded(fields, table, above)
            for start in range(0, len(chunk), batch_size):
                yield chunk.iloc[start : start + batch_size], x[start : start + batch_size], share
            above += len(chunk)

    def _check_columns(self, table: TableFile) -> None:
        needed = [column.name for column in self.columns]
        for name in needed:
            if name not in table.columns:
                unknown = [c for c in table.columns if c not in needed]
                raise ValueError(f"{table.said} has no column {name}, which the run needs.{nearest(name, unknown)}")
        for name in table.columns:
            if name not in needed and name not in self.others:
                raise ValueError(f"{table.said}: the run knows no column {name}. Leave it out of the file.")

    def _encoded(self, chunk: pd.DataFrame, table: TableFile, above: int) -> Tensor:
        values = np.empty((len(chunk), len(self.columns)))
        for j, column in enumerate(self.columns):
            values[:, j] = numbers(
                chunk[column.name], column, table.said, above, table.decimal, self.date_format, grow=False
            )
            missing = np.isnan(values[:, j])
            if column.fill is None and missing.any():
                row = above + int(missing.argmax()) + 1
                raise ValueError(
                    f"{table.said}, row {row}: {column.name} is missing, and the run has learnt from whole rows only. "
                    "Fill it in, or train with data.missing=impute."
                )
        x = torch.from_numpy(encode(self.columns, values))
        return x if self.shape is None else x.reshape(-1, *self.shape)
