"""A table in a file -> a Dataset: each row an example, one column (or several) the target."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from src.console.messages import nearest
from src.console.screen import notice
from src.datasets.splits import SPLITS
from src.datasets.tables.classes import are_classes, class_numbers
from src.datasets.tables.columns import Column
from src.datasets.tables.conversion import converted
from src.datasets.tables.encoding import encode, learn, teaches, width
from src.datasets.tables.file import TableFile
from src.datasets.tables.rows import Roles, Rows, refuse_names
from src.files.cache import cache_folder
from src.files.disk_rows import DiskRows

LARGE = 2**28  # bytes: larger tables are read from disk
BLOCK = 2**16  # rows of such a table that are looked at at once


def read_table(
    path: str,
    target: str | list[str],
    val_path: str | None = None,
    test_path: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    drop: list[str] | None = None,
    categorical: list[str] | None = None,
    date_format: str | None = None,
    missing: Literal["drop", "impute"] | None = None,
    task: Literal["regression", "classification"] | None = None,
    shape: list[int] | None = None,
    separator: str | None = None,
    decimal: str = ".",
    encoding: str = "utf-8",
    in_memory: bool | None = None,
    cache: str | None = None,
) -> Table:
    """Read CSV, TSV (gzipped too) or Parquet files: x float32 (N, F), or (N, *shape), and y.

    Columns of numbers, booleans, dates and categories become features as `encoding.encode` says.

    Args:
        path: a file, or an http(s) address.
        target: column of y; several are values of a regression, y (N, K).
        val_path, test_path: files with the rows of these splits.
        split_column: says train, val or test for each row.
        group_column: rows that have the same there stay in one split.
        drop: columns that are left out.
        categorical: columns of numbers that stand for categories.
        date_format: of dates in texts, as in strptime; None: ISO 8601.
        missing: drop rows with missing values, or impute (the mean, or the most frequent category, of the training
            rows); None: they are refused. Rows without a target are left out in both cases.
        task: None: texts, booleans and few whole numbers are classes, other numbers a regression's.
        separator, decimal, encoding: of a text file; separator None: a tab in .tsv, else a comma.
        in_memory: None: if the files have up to 256 MB; else they are converted to a file in `cache`, and read there.
        cache: None: the user's own.

    Raises:
        ValueError: no table in a file, or one that cannot be learnt from: where, and what to type.
    """
    targets = [target] if isinstance(target, str) else list(target)
    if not targets:
        raise ValueError("data.target=[]: name a column.")
    roles = Roles(targets, group_column, split_column, list(drop or []), list(categorical or []), date_format, missing)
    if split_column and (val_path or test_path):
        raise ValueError("data.split_column and data.val_path or test_path: only one of them can say what is for what.")
    files = {"train": ("data.path", path), "val": ("data.val_path", val_path), "test": ("data.test_path", test_path)}
    tables = {
        split: TableFile(place, separator, decimal, encoding, key, cache)
        for split, (key, place) in files.items()
        if place is not None
    }
    if in_memory is None:
        in_memory = sum(table.bytes() for table in tables.values()) <= LARGE
    return Table(tables, roles, task, shape, None if in_memory else cache_folder(cache))


class Table(Dataset):
    """Rows of numbers; `fit` learns from some of them how x is made of them.

    Args:
        tables: by split; or one of all rows, as "train".
        cache: where the tables are converted, to be read there; None: they are held in memory.
    """

    def __init__(
        self,
        tables: dict[str, TableFile],
        roles: Roles,
        task: Literal["regression", "classification"] | None,
        shape: list[int] | None,
        cache: Path | None,
    ) -> None:
        self.tables, self.roles, self.shape, self.cache = list(tables.values()), roles, shape, cache
        self.name, self.targets, self.target = self.tables[0].name, roles.targets, ", ".join(roles.targets)
        self._read(None)
        self.rows.say()
        self.learnt: list[Column] | None = None
        self.x: Tensor | None = None
        self.groups = self._of(roles.group).long() if roles.group else None
        self.splits = self._splits(list(tables))
        self._set_target(task)
        self._check_classes()

    def __len__(self) -> int:
        return self.features.shape[0]

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        x, y = self.__getitems__([index])
        return x[0], y[0]

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        """A whole batch at once."""
        return (self._encoded(indices) if self.x is None else self.x[indices]), self.y[indices]

    def fit(self, indices: Tensor) -> None:
        """Learn from these rows alone which categories there are, and what stands for a missing value.

        Raises:
            ValueError: there is nothing to learn.
        """
        for column in [*self.found, *([] if self.classes is None else [self.rows.columns[self.target]])]:
            if column.kind == "category" and len(column.codes) > max(20, len(self) / 2):
                refuse_names(column, len(self), self.name)
        if self.classes is None and len(self) > 1:
            for k, name in enumerate(self.targets):
                if (self.y[:, k] == self.y[0, k]).all():
                    raise ValueError(f"data.target: {name} is {self.y[0, k]:g} in all rows: there is nothing to learn.")
        impute = self.roles.missing == "impute"
        self._take(learn(self.found, self._blocks(indices), impute) if teaches(self.found, impute) else self.found)

    def use(self, reader: dict[str, Any], task: str, classes: list[str] | None) -> None:
        """Take what a finished run has learnt instead.

        Raises:
            ValueError: a column that the run knows is not there, or is of another kind; a class that it does not know.
        """
        known = [Column(**spec) for spec in reader["columns"]]
        kinds = {column.name: column.kind for column in self.found}
        if any(kinds.get(column.name, column.kind) != column.kind for column in known):  # few rows may look otherwise
            self._read(known)
        self._set_target("regression" if task == "regression" else "classification")
        if classes is not None and self.classes is not None:
            unknown = [name for name in self.classes if name not in classes]
            if unknown:
                hint = nearest(unknown[0], classes) or f" It knows: {', '.join(classes)}."
                raise ValueError(f"{self.name}: the run knows no {self.target}={unknown[0]!r}.{hint}")
            self.y = self.labels = torch.tensor([classes.index(name) for name in self.classes])[self.y]
            self.classes = classes
        self.shape = reader["shape"]
        self._take(known)

    @property
    def reader(self) -> dict[str, Any]:
        """What reads new rows as these were read: plain data."""
        assert self.learnt is not None
        roles, table = self.roles, self.tables[0]
        return {
            "_target_": "src.datasets.tables.reader.TableReader",
            "columns": [column.spec() for column in self.learnt],
            "others": [*roles.others, *roles.drop],
            "shape": self.shape,
            "separator": None if table.is_parquet or table.separator in ",\t" else table.separator,
            "decimal": table.decimal,
            "encoding": table.encoding,
            "date_format": roles.date_format,
        }

    def _take(self, learnt: list[Column]) -> None:
        mine = {column.name: column for column in self.found}
        self.places, self.codes = [], []
        for column in learnt:
            own = mine.get(column.name)
            if own is None:
                raise ValueError(f"{self.name} has no column {column.name}, which the run needs.")
            new = [category for category in own.codes if category not in column.codes]
            if new:
                some = ", ".join(new[:5]) + (", ..." if len(new) > 5 else "")
                notice(f"{column.name}: no training row has {some}. Such rows are of no category that the net knows.")
            self.places.append(self.found.index(own))
            self.codes.append(own.codes_in(column) if column.kind == "category" else None)
        self.learnt = learnt
        size = sum(map(width, learnt))
        if self.shape is not None and math.prod(self.shape) != size:
            raise ValueError(
                f"data.shape={self.shape} holds {math.prod(self.shape)} values, but {self.name} has {size} features."
            )
        if self.cache is None:
            self.x = self._encoded(np.arange(len(self)))

    def _encoded(self, indices: list[int] | np.ndarray) -> Tensor:
        """x (B, F) or (B, *shape) of these rows."""
        assert self.learnt is not None
        values = self.features[indices][:, self.places]
        for j, codes in enumerate(self.codes):
            if codes is not None:
                there = ~np.isnan(values[:, j])
                values[there, j] = codes[values[there, j].astype(int)]
        x = torch.from_numpy(encode(self.learnt, values))
        return x if self.shape is None else x.reshape(-1, *self.shape)

    def _read(self, known: list[Column] | None) -> None:
        """`features` (N, F) and `others` (N, M), in memory or on disk; a run's `known` columns keep their kinds."""
        self.rows = Rows(self.tables, self.roles, known)
        self.features: np.ndarray | DiskRows
        self.others: np.ndarray | DiskRows
        if self.cache is None:
            parts = [(features, others) for features, others, _ in self.rows.matrices(None)]
            self.features, self.others = (np.concatenate(part) for part in zip(*parts, strict=True))
        else:
            self.features, self.others = converted(self.rows, self.cache)
        self.found = [self.rows.columns[name] for name in self.rows.features]

    def _blocks(self, indices: Tensor) -> Iterator[np.ndarray]:
        """Features of these rows, in the order of the file: a disk reads that fastest."""
        chosen = np.zeros(len(self), bool)
        chosen[indices.numpy()] = True
        for start in range(0, len(self), BLOCK):
            yield self.features[start : start + BLOCK][chosen[start : start + BLOCK]]

    def _of(self, name: str, dtype: torch.dtype = torch.float64) -> Tensor:
        """One of the columns that are no features, (N,)."""
        place, values = self.roles.others.index(name), torch.empty(len(self), dtype=dtype)
        for start in range(0, len(self), BLOCK):
            values[start : start + BLOCK] = torch.from_numpy(self.others[start : start + BLOCK][:, place])
        return values

    def _splits(self, files: list[str]) -> dict[str, Tensor]:
        """Rows by split, where the data say so."""
        name = self.roles.split
        if name is None:
            bounds = zip(files, [0, *self.rows.ends], self.rows.ends, strict=False)
            return {split: torch.arange(a, b) for split, a, b in bounds} if len(files) > 1 else {}
        column = self.rows.columns[name]
        for value in column.codes:
            if value not in SPLITS:
                raise ValueError(
                    f"data.split_column={name} says {value!r} in {self.name}, but only train, val and test are known."
                )
        if "train" not in column.codes:
            raise ValueError(f"data.split_column={name}: no row of {self.name} is for train.")
        numbers = self._of(name)
        return {split: (numbers == code).nonzero()[:, 0] for split, code in column.codes.items()}

    def _set_target(self, task: Literal["regression", "classification"] | None) -> None:
        """`y` float32 (N, K), or class numbers (N,) with `labels` and `classes`."""
        columns = [self.rows.columns[name] for name in self.targets]
        if len(columns) > 1 and task == "classification":
            raise ValueError(f"data.target={self.targets}: only numbers can be several.")
        if len(columns) > 1 or task == "regression":
            for column in columns:
                if column.kind not in ("number", "boolean"):
                    raise ValueError(f"data.task=regression, but {column.name} in {self.name} is not numeric.")
        [first, *_] = columns
        if first.kind == "date":
            raise ValueError(f"data.target={first.name} holds dates in {self.name}. Make it a number, such as days.")
        is_number = first.kind == "number"
        values = self._of(first.name)
        if len(columns) == 1 and task != "regression" and (not is_number or task or are_classes(values)):
            self.y, self.classes = class_numbers(first, values)
            self.labels: Tensor | None = self.y
        else:
            self.y = torch.stack([self._of(name, torch.float32) for name in self.targets], dim=1)
            self.classes = self.labels = None

    def _check_classes(self) -> None:
        """Raise ValueError if rows for val or test are of a class that no row for train has."""
        if self.labels is None or self.classes is None or "train" not in self.splits:
            return
        lacking = set(range(len(self.classes))) - set(self.labels[self.splits["train"]].unique().tolist())
        if lacking:
            names = ", ".join(self.classes[number] for number in sorted(lacking))
            raise ValueError(f"No training row has {self.target}={names}, which rows for val or test have.")
