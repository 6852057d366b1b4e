"""A table's rows as numbers: in memory, or in a file from which they are fetched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from src.console.messages import UserError
from src.datasets.random_split import SPLITS
from src.datasets.tables.columns.column import Column
from src.datasets.tables.conversion import converted
from src.datasets.tables.files.file import TableFile
from src.datasets.tables.roles import Roles
from src.datasets.tables.rows import RowReader
from src.files.checksum import digest, rows_checksum
from src.files.disk_rows import ArrayRows

BLOCK = 2**16  # rows that are looked at at once


class NumericTable:
    """
    Args:
        tables: files by split; or one of all rows, as "train".
        cache: where they are converted, to be read there; None: they are held in memory.
        known: columns of which kind and format are settled: those of a finished run.

    Attributes:
        features: (N, F), float64.
        feature_columns: theirs, F.
        non_features: the other columns' values, (N, M), float64.
        columns: of both, by name.
        checksums: of features and non_features, where the conversion has kept them.
    """

    def __init__(
        self, tables: Mapping[str, TableFile], roles: Roles, cache: Path | None, known: Sequence[Column]
    ) -> None:
        self.roles = roles
        self.reader = RowReader(list(tables.values()), roles, known)
        self.features: ArrayRows
        self.non_features: ArrayRows
        self.checksums: list[int] | None = None
        if cache is None:
            chunks = [(features, non_features) for features, non_features, _ in self.reader.matrices(None)]
            self.features, self.non_features = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
        else:
            self.features, self.non_features, self.checksums = converted(self.reader, cache)
        self.columns = self.reader.schema.columns
        self.feature_columns = [self.columns[name] for name in self.reader.feature_names]
        self.name, self.files = self.reader.tables[0].name, list(tables)

    def __len__(self) -> int:
        return len(self.features)

    def fingerprint(self) -> str:
        """The same for a table with the same values in the same order, in memory or converted."""
        columns = [column.spec() for column in map(self.columns.__getitem__, self.reader.names)]
        checksums = self.checksums or [rows_checksum(rows) for rows in (self.features, self.non_features)]
        return digest(columns, self.reader.ends, checksums)

    def blocks(self, indices: Tensor) -> Iterator[np.ndarray]:
        """Features of these rows, in the order of the file: a disk reads that fastest."""
        chosen = np.zeros(len(self), bool)
        chosen[indices.numpy()] = True
        for start in range(0, len(self), BLOCK):
            yield self.features[start : start + BLOCK][chosen[start : start + BLOCK]]

    def column(self, name: str) -> Tensor:
        """The values of a column that is no feature, float64 (N,)."""
        values = torch.empty(len(self), dtype=torch.float64)
        self.fill(values, name)
        return values

    def fill(self, values: Tensor, name: str) -> None:
        """Put them into `values`, (N,), of any type."""
        for part, block in zip(values.split(BLOCK), self.column_blocks(name), strict=True):
            part.copy_(block)

    def column_blocks(self, name: str) -> Iterator[Tensor]:
        """Them in parts, float64: of a large table all of them would take much memory."""
        place = self.roles.non_features.index(name)
        for start in range(0, len(self), BLOCK):
            yield torch.from_numpy(self.non_features[start : start + BLOCK][:, place])

    def splits(self) -> dict[str, Tensor]:
        """Rows by split, where files or a column say so; else nothing.

        Raises:
            UserError: a split that is not known, or none to learn from.
        """
        name = self.roles.split_column
        if name is None:
            ends = self.reader.ends
            bounds = zip(self.files, [0, *ends], ends, strict=False)
            return {split: torch.arange(a, b) for split, a, b in bounds} if len(self.files) > 1 else {}
        places = self.columns[name].categories
        for value in places:
            if value not in SPLITS:
                raise UserError(
                    f"split_column={name} says {value!r} in {self.name}, but only train, val and test are known."
                )
        if "train" not in places:
            raise UserError(f"split_column={name}: no row of {self.name} is for train.")
        numbers = self.column(name)
        return {split: (numbers == place).nonzero()[:, 0] for split, place in places.items()}
