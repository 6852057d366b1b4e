"""A table in a file -> a Dataset: each row an example, one column (or several) the target."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from src.console.messages import UserError
from src.datasets.classes import renumbered
from src.datasets.contract import TargetKind
from src.datasets.tables.codes import code_columns, some_of
from src.datasets.tables.columns.column import Column
from src.datasets.tables.decided import check_decided
from src.datasets.tables.encoding import RowEncoder, feature_count, fit_columns
from src.datasets.tables.files.file import TableFile
from src.datasets.tables.numeric import NumericTable
from src.datasets.tables.overview import overview
from src.datasets.tables.roles import Roles
from src.datasets.tables.suspects import MOST, refuse_names, tell_alike, tell_copies, tell_suspects
from src.datasets.tables.target import check_training_classes, check_variety, read_target


class Table(Dataset):
    """Rows of numbers. `read_target` gives them y; `fit`, or `restore`, says how x is made of them.

    Args:
        tables: by split; or one of all rows, as "train".
        query: of a database among them.
        cache: where the tables are converted, to be read there; None: they are held in memory.
    """

    y: Tensor
    labels: Tensor | None
    classes: list[str] | None

    def __init__(
        self, tables: dict[str, TableFile], roles: Roles, query: str | None, shape: list[int] | None, cache: Path | None
    ) -> None:
        self.tables, self.roles, self.query, self.shape, self.cache = tables, roles, query, shape, cache
        self.targets, self.target = roles.target, ", ".join(roles.target)
        self.known: list[Column] = []  # of a finished run
        self.encoder: RowEncoder | None = None
        self.x: Tensor | None = None
        self.codes: dict[str, int] = {}

    @cached_property
    def numeric(self) -> NumericTable:
        """The files' rows, read when they are first needed: `restore` says before how a finished run reads them."""
        numeric = NumericTable(self.tables, self.roles, self.cache, self.known)
        numeric.reader.tell_left_out()
        return numeric

    @cached_property
    def groups(self) -> Tensor | None:
        return self.numeric.column(self.roles.group_column).long() if self.roles.group_column else None

    @cached_property
    def splits(self) -> dict[str, Tensor]:
        return self.numeric.splits()

    def __len__(self) -> int:
        return len(self.numeric)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        x, y = self.__getitems__([index])
        return x[0], y[0]

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        """A whole batch at once."""
        if self.x is not None:
            return self.x[indices], self.y[indices]
        assert self.encoder is not None
        return self.encoder(self.numeric.features[indices]), self._some_y(indices)

    def _some_y(self, indices: Any) -> Tensor:
        """y of these rows, class numbers as int64."""
        return self.y[indices] if self.labels is None else self.y[indices].long()

    def in_memory(self) -> tuple[Tensor, Tensor] | None:
        return None if self.x is None else (self.x, self.y)

    def read_target(self, kind: TargetKind | None, classes: list[str] | None = None) -> None:
        """Set `y` float32 (N, K), values or labels; or class numbers (N,) with `labels` and `classes`, which are narrow
        if the table is read from disk.

        Raises:
            UserError: the columns cannot be read so, the run does not know a class, or no training row has it.
        """
        self.y, self.classes = read_target(self.numeric, kind)
        if self.classes is not None and classes is not None:
            self.y = renumbered(self.y, self.classes, classes, self.numeric.name, self.target)
            self.classes = classes
        elif self.classes is not None and "train" in self.splits:
            check_training_classes(self.y, self.classes, self.splits["train"], self.target)
        if self.classes is not None and self.cache is None:
            self.y = self.y.long()
        self.labels = None if self.classes is None else self.y
        if self.classes is not None and classes is None:
            tell_alike(self.target, self.classes, "classes")

    def fit(self, indices: Tensor) -> None:
        """Learn from these rows alone which categories there are, and what stands for a missing value.

        Raises:
            UserError: there is nothing to learn.
        """
        columns = self.numeric.feature_columns
        refuse_names(columns, self.numeric.reader.read, self.numeric.name, self.roles.drop)
        check_variety(self.numeric, self.y, self.classes)
        first = np.sort(indices.numpy())[:MOST].copy()  # NumPy's sort takes a quarter of the memory of torch's
        rows, training = self.numeric.features[:MOST], self.numeric.features[first]
        tell_copies(rows, self._some_y(slice(MOST)).numpy(), np.isin(np.arange(len(rows)), first))
        tell_suspects(columns, rows, training, self._some_y(first).numpy(), self.classes is not None, self.roles)
        impute, indicators = self.roles.missing == "impute", self.shape is None
        fitted = fit_columns(columns, self.numeric.blocks(indices), impute, indicators, self.roles.drop)
        check_decided(self.numeric.reader, indices.numpy(), fitted)
        some = some_of(indices.numpy(), len(columns))
        rows, y = self.numeric.features[some], self._some_y(some).numpy()
        self.codes = code_columns(columns, rows, y, self.classes is not None)
        for column in fitted:
            tell_alike(column.name, list(column.categories), "categories")
        self._encode(fitted)

    def restore(self, reader: dict[str, Any]) -> None:
        """Make x of the rows as a finished run does.

        Raises:
            UserError: a column that the run knows is not there, or is of another kind.
        """
        if "columns" not in reader:
            raise UserError(f"{self.tables['train'].name} is a table, but the run has learnt from none.")
        fitted = [Column(**spec) for spec in reader["columns"]]
        if self.roles.missing == "impute" and any(column.fill is None for column in fitted):
            raise UserError("missing=impute: the run has learnt from whole rows alone. missing=drop leaves others out.")
        targets = [Column(**spec) for spec in reader.get("targets", ())]
        self.known = [*fitted, *(column for column in targets if column.number_format)]
        for table in self.tables.values():
            table.as_in_run(reader.get("seen_decimal"), reader.get("none_is_missing", True))
        self.shape = reader["shape"]
        self._encode(fitted)

    @property
    def reader(self) -> dict[str, Any] | None:
        """What reads new rows as these were read: plain data; None before `fit` or `restore`."""
        if self.encoder is None:
            return None
        return {
            "_target_": "src.datasets.tables.TableReader",
            "columns": [column.spec() for column in self.encoder.fitted],
            "targets": [self.numeric.columns[name].unfitted().spec() for name in self.targets],
            "other_columns": [*self.roles.non_features, *self.roles.drop],
            "shape": self.shape,
            **asdict(self.tables["train"].text),
            "date_format": self.roles.date_format,
            "query": self.query,
        }

    @property
    def columns(self) -> list[dict[str, Any]] | None:
        """Which columns make the features; None before `fit` or `restore`, and of rows in another shape."""
        if self.encoder is None or self.shape is not None:
            return None
        return [
            {"name": c.name, "kind": c.kind, "features": feature_count(c), "indicator": c.indicator}
            | {"codes": self.codes.get(c.name, 0)}
            for c in self.encoder.fitted
        ]

    def overview(self) -> list[list[str]]:
        """A header, and a line for each column: what it holds, and what becomes of it. After `fit`."""
        assert self.encoder is not None
        kind = f"{len(self.classes)} classes" if self.classes is not None else "numbers"
        return overview(self.numeric, self.encoder.fitted, kind, self.codes)

    def fingerprint(self) -> str:
        """Of all values of all columns that are read, however x is made of them."""
        return self.numeric.fingerprint()

    def _encode(self, fitted: list[Column]) -> None:
        numeric = self.numeric
        self.encoder = RowEncoder(numeric.feature_columns, fitted, self.shape, numeric.name)
        if self.cache is None:
            self.x = self.encoder(numeric.features[np.arange(len(self))])
