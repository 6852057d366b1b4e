"""New rows for a finished run: the same columns, encoded as its training rows were."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from src.datasets.columns import Column, numbers
from src.datasets.encoding import encode, width
from src.datasets.table_file import TableFile
from src.nearest import nearest


class TableReader:
    """Reads a table in chunks; all of it is plain data, kept in the run's checkpoint.

    Args:
        features: specs of the columns, `Column.spec()`.
        targets: names of columns that may be in the file, or not, as may those `ignored`.
        missing: "impute" if missing values are filled in.
        separator: and `decimal`, `encoding`, `date_format`: how fields are written.
        shape: of one example; None: (features,).
    """

    def __init__(
        self,
        features: list[dict[str, Any]],
        targets: list[str],
        ignored: list[str],
        missing: str | None,
        separator: str | None,
        decimal: str,
        encoding: str,
        date_format: str | None,
        shape: list[int] | None,
    ) -> None:
        self.columns = [Column(**spec) for spec in features]
        self.others = {*targets, *ignored}
        self.missing, self.shape, self.date_format = missing, shape, date_format
        self.file = {"separator": separator, "decimal": decimal, "encoding": encoding}

    def read(
        self, path: str, batch_size: int, num_workers: int | None = None
    ) -> Iterator[tuple[pd.DataFrame, Tensor, float]]:
        """Rows as they are written, x (B, *shape) of them, and the share of the file that has been read.

        Raises:
            ValueError: a column too few or too many, or a field that the run cannot take; its row and column.
        """
        table = TableFile(path, key="", **self.file)
        self._check_names(table)
        many = min(8192, 2**20 // max(1, sum(map(width, self.columns))))
        above = 0
        for chunk, share in table.rows(max(batch_size, many), as_written=True):
            yield chunk, self._features(chunk, table, above), share
            above += len(chunk)
        if not above:
            raise ValueError(f"{path} has no rows.")

    def _check_names(self, table: TableFile) -> None:
        features = [column.name for column in self.columns]
        missing = next((name for name in features if name not in table.columns), None)
        if missing is not None:
            hint = nearest(missing, [name for name in table.columns if name not in features])
            raise ValueError(f"{table.name} has no column {missing}, from which the run learnt.{hint}")
        strange = next((name for name in table.columns if name not in features and name not in self.others), None)
        if strange is not None:
            hint = nearest(strange, features)
            raise ValueError(f"{table.name}: the run knows no column {strange}. Take it out of the file.{hint}")

    def _features(self, chunk: pd.DataFrame, table: TableFile, above: int) -> Tensor:
        values = np.empty((len(chunk), len(self.columns)))
        for j, column in enumerate(self.columns):
            series = chunk[column.name]
            values[:, j] = numbers(series, column, table.name, above, table.decimal, self.date_format, grow=False)
        lacking = np.argwhere(np.isnan(values)) if self.missing != "impute" else []
        if len(lacking):
            row, j = lacking[0]
            raise ValueError(
                f"{table.name}, row {above + row + 1}: {self.columns[j].name} is missing. "
                "Fill it in, or train with data.missing=impute."
            )
        return torch.from_numpy(encode(self.columns, values)).reshape(len(chunk), *(self.shape or (-1,)))
