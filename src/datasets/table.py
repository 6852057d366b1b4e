"""A table in a file -> a Dataset: each row an example, one column (or several) the target."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset

from src.datasets.columns import Column, as_text
from src.datasets.disk_rows import DiskRows
from src.datasets.encoding import encode, learn, teaches, width
from src.datasets.table_cache import converted
from src.datasets.table_file import TableFile
from src.datasets.table_rows import Roles, Rows, refuse_names
from src.screen import notice

IN_MEMORY = 2**28  # bytes of a file that is read whole
ENCODED = 2**30  # bytes of features that are held ready
BLOCK = 2**16  # rows of a converted file that are looked at together
SPLITS = ("train", "val", "test")


def read_table(
    path: str | None = None,
    target: str | list[str] | None = None,
    val_path: str | None = None,
    test_path: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    drop: list[str] | None = None,
    categorical: list[str] | None = None,
    date_format: str | None = None,
    missing: Literal["drop", "impute"] | None = None,
    separator: str | None = None,
    decimal: str = ".",
    encoding: str = "utf-8",
    task: Literal["regression", "classification"] | None = None,
    shape: list[int] | None = None,
    cache: str | None = None,
    in_memory: bool | None = None,
) -> Table:
    """Read a table from a CSV, TSV (gzipped too) or Parquet file, or from such an http(s) address.

    Args:
        target: the name of y; several names: y (N, K) of a regression.
        val_path: a file of the same columns that is the val split; `test_path`: the test split.
        split_column: says train, val or test for each row.
        group_column: rows with the same value stay in one split.
        drop: columns to leave out.
        categorical: columns of numbers, or of anything, that are categories.
        date_format: as of strftime; None: ISO 8601.
        missing: leave rows with a missing value out, or fill it in, from the training rows; None: refuse.
        separator: None: a tab in .tsv, else a comma.
        task: None: fractional numbers, and many different ones, are a regression's, all else are classes.
        shape: of one example; None: (features,).
        cache: folder for downloads and converted tables.
        in_memory: None: if the file has up to 256 MB. A larger one is converted once.

    Raises:
        ValueError: no table in the file, or one that these keys do not describe.
    """
    if path is None:
        raise ValueError("data.path: which file? Say data.path=my.csv, a CSV, TSV or Parquet file or its address.")
    if not target:
        raise ValueError("data.target: which column is to be learnt? Say data.target=NAME.")
    if split_column and (val_path or test_path):
        raise ValueError("data.split_column says which rows are for val and test: leave val_path and test_path out.")
    files = {"data.path": path, "data.val_path": val_path, "data.test_path": test_path}
    tables = [TableFile(p, separator, decimal, encoding, key, cache) for key, p in files.items() if p]
    roles = Roles(
        [target] if isinstance(target, str) else target,
        group_column, split_column, drop or [], categorical or [], date_format, missing,
    )  # fmt: skip
    if in_memory is None:
        in_memory = sum(table.bytes() for table in tables) <= IN_MEMORY
    parts = [split for split, p in zip(SPLITS, files.values(), strict=True) if p]
    return Table(tables, roles, parts, task, shape, cache, in_memory)


class Table(Dataset):
    """x float32 (N, F), or (N, *shape), of the features; y (N, K) of a regression, or (N,) class numbers.

    It has x after `fit`, or `use`. In memory all is encoded there; else each batch is, when it is fetched.
    """

    def __init__(
        self,
        tables: list[TableFile],
        roles: Roles,
        parts: list[str],
        task: str | None,
        shape: list[int] | None,
        cache: str | None,
        in_memory: bool,
    ) -> None:
        self.tables, self.roles, self.shape, self.cache, self.in_memory = tables, roles, shape, cache, in_memory
        self.name = tables[0].name
        self.targets, self.target = roles.targets, ", ".join(roles.targets)
        self._load(None)
        self._take_targets(task, None)
        self.rows.say()
        if roles.group:
            self.groups = self._numbers(roles.group)
        if len(parts) > 1:
            edges = [0, *self.rows.ends]
            self.splits = {part: torch.arange(edges[i], edges[i + 1]) for i, part in enumerate(parts)}
        elif roles.split:
            self.splits = self._ready_splits(roles.split)
        if self.labels is not None and hasattr(self, "splits"):
            self._check_labels()

    def fit(self, indices: Tensor) -> None:
        """Learn the categories, and what is filled in, from the training rows `indices`.

        Raises:
            ValueError: a column from which nothing can be learnt, or a shape of another size.
        """
        for column in self.columns:
            if column.kind == "category" and column.name not in self.roles.categorical:
                self._check_repeats(column)
        self._check_targets(indices)
        impute = self.roles.missing == "impute"
        blocks = self._training_blocks(indices) if teaches(self.columns, impute) else iter(())
        self._encode_by(learn(self.columns, blocks, impute and len(indices) > 0), "No training row has")

    def use(self, reader: dict[str, Any], task: str, classes: list[str] | None) -> None:
        """Take the encoding of a finished run, and its numbers of the classes.

        Raises:
            ValueError: other columns than the run's, or a label that it does not know.
        """
        known = [Column(**spec) for spec in reader["features"]]
        if {column.name for column in known} != set(self.rows.features):
            raise ValueError(
                f"{self.name} has other features: the run was trained on data with "
                f"{', '.join(column.name for column in known)}."
            )
        if [(c.name, c.kind) for c in known] != [(c.name, c.kind) for c in self.columns]:
            self._load(known)
        if self.roles.missing == "impute" and reader["missing"] != "impute":
            raise ValueError("data.missing=impute: the run was trained without it, and knows nothing to fill in.")
        self._take_targets("regression" if task == "regression" else "classification", classes)
        self._encode_by(known, "The run knows no")

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        x, y = self.__getitems__([index])
        return x[0], y[0]

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        """A whole batch at once."""
        x = self.x[indices] if self.x is not None else self._encoded(self.values[np.asarray(indices)])
        return x, self.y[indices]

    def _load(self, known: list[Column] | None) -> None:
        """`values` (N, columns) and `others` (N, M), read or on disk; `known` columns have their kinds from a run."""
        self.rows = Rows(self.tables, self.roles, known)
        self.values: np.ndarray | DiskRows
        self.others: np.ndarray | DiskRows
        if self.in_memory:
            parts = [(features, others) for features, others, _ in self.rows.matrices(None)]
            self.values, self.others = (np.concatenate(part) for part in zip(*parts, strict=True))
        else:
            self.values, self.others = converted(self.rows, self.cache)
        self.columns = [self.rows.columns[name] for name in self.rows.features]

    def _numbers(self, name: str) -> Tensor:
        """A category column that is no feature, as its numbers (N,)."""
        return torch.from_numpy(self.others[:][:, self.roles.others.index(name)].astype("int64"))

    def _take_targets(self, task: str | None, classes: list[str] | None) -> None:
        """y, and `labels` and `classes` (None: those that are here), or None for a regression."""
        columns = [self.rows.columns[name] for name in self.targets]
        numbers = self.others[:][:, : len(columns)]
        dated = next((column.name for column in columns if column.kind == "date"), None)
        if dated:
            raise ValueError(f"data.target={dated}: dates are no target. A number of days is one.")
        if len(columns) > 1:
            text = next((column.name for column in columns if column.kind != "number"), None)
            if text or task == "classification":
                why = f"{text} is not numeric" if text else "data.task=classification takes one"
                names = ",".join(self.targets)
                raise ValueError(f"data.target=[{names}]: {why}. Several targets are a regression's.")
        is_number = columns[0].kind == "number"
        if task == "regression" and not is_number:
            raise ValueError(f"data.task=regression, but {self.target} in {self.name} is not numeric.")
        if task == "regression" or len(columns) > 1 or (task is None and is_number and not _are_classes(numbers[:, 0])):
            self.labels = self.classes = None
            self.y = torch.from_numpy(numbers.astype("float32"))
        else:
            self.labels, self.classes = self._classes(columns[0], numbers[:, 0], classes)
            self.y = self.labels

    def _classes(self, column: Column, values: np.ndarray, classes: list[str] | None) -> tuple[Tensor, list[str]]:
        """Numbers (N,) of the classes, and their names: in order, or `classes` of a run."""
        codes, different = pd.factorize(values)
        if column.kind == "number":
            names = {as_text(value): value for value in different}
        elif column.kind == "boolean":
            names = {("False", "True")[int(value)]: value for value in different}
        else:
            texts = list(column.codes)
            names = {texts[int(value)]: value for value in different}
        ordered = classes or sorted(names, key=names.__getitem__ if column.kind != "category" else None)
        place = {name: number for number, name in enumerate(ordered)}
        number_of = {value: place.get(name, -1) for name, value in names.items()}
        lookup = np.array([number_of[value] for value in different], "int64")
        labels = lookup[codes]
        if (labels < 0).any():
            row = int(np.argmin(labels))
            name = next(name for name, value in names.items() if value == values[row])
            at = f", row {row + 1}" if len(self.tables) == 1 and not self.rows.left_out else ""
            raise ValueError(f"{self.name}{at}: {column.name}={name!r} is no class of the run: {', '.join(ordered)}.")
        return torch.from_numpy(labels), list(ordered)

    def _ready_splits(self, name: str) -> dict[str, Tensor]:
        words = self.rows.columns[name].codes
        other = next((word for word in words if word not in SPLITS), None)
        if other is not None:
            raise ValueError(f"data.split_column={name}: {other!r} is none of train, val, test.")
        numbers = self._numbers(name)
        return {word: torch.nonzero(numbers == words[word]).flatten() for word in SPLITS if word in words}

    def _check_labels(self) -> None:
        """Each class of val and test must be in training."""
        assert self.labels is not None
        assert self.classes is not None
        rest = torch.ones(len(self), dtype=torch.bool)
        for split in ("val", "test"):
            rest[self.splits.get(split, [])] = False
        lacking = set(range(len(self.classes))) - set(self.labels[rest].unique().tolist())
        if lacking and rest.any():
            names = ", ".join(self.classes[number] for number in sorted(lacking))
            raise ValueError(f"data: no training row is of the class {names}, which val or test rows are of.")

    def _check_targets(self, indices: Tensor) -> None:
        """There must be something to learn."""
        column = self.rows.columns[self.targets[0]]
        if self.labels is not None:
            if column.kind == "category":
                self._check_repeats(column)
            return
        y = self.y[indices]
        for name, values in zip(self.targets, y.T, strict=True):
            if len(values) and values.min() == values.max():
                raise ValueError(f"{name} is {as_text(values[0].item())} in every training row: nothing to learn.")

    def _check_repeats(self, column: Column) -> None:
        if len(column.codes) > max(20, len(self) / 2):
            refuse_names(column, len(self), self.name)

    def _training_blocks(self, indices: Tensor) -> Iterator[np.ndarray]:
        """The training rows in the order of the file."""
        chosen = np.zeros(len(self), bool)
        chosen[indices.numpy()] = True
        for start in range(0, len(self), BLOCK):
            rows = slice(start, start + BLOCK)
            yield self.values[rows][chosen[rows]]

    def _encode_by(self, known: list[Column], lacks: str) -> None:
        """Encode by the `known` columns from now on; at once, if what comes out fits into memory."""
        self.known = known
        features = sum(map(width, known))
        if self.shape is not None and math.prod(self.shape) != features:
            raise ValueError(
                f"data.shape={self.shape} holds {math.prod(self.shape)} values, "
                f"but {self.name} has {features} features."
            )
        self.lookups = {}
        for j, (column, learnt) in enumerate(zip(self.columns, known, strict=True)):
            if column.kind == "category":
                self.lookups[j] = column.codes_in(learnt)
                strange = [category for category in column.codes if category not in learnt.codes]
                if strange:
                    some = ", ".join(strange[:5]) + (", ..." if len(strange) > 5 else "")
                    notice(f"{lacks} {column.name}={some}: all its features are 0.")
        fits = self.in_memory and len(self) * features * 4 <= ENCODED
        self.x = self._encoded(cast(np.ndarray, self.values)) if fits else None
        self.reader = {
            "_target_": "src.datasets.table_reader.TableReader",
            "features": [column.spec() for column in known],
            "targets": self.targets,
            "ignored": [*self.roles.others[len(self.targets) :], *self.roles.drop],
            "missing": self.roles.missing,
            "separator": self.tables[0].given,
            "decimal": self.tables[0].decimal,
            "encoding": self.tables[0].encoding,
            "date_format": self.roles.date_format,
            "shape": self.shape,
        }

    def _encoded(self, values: np.ndarray) -> Tensor:
        if self.lookups:
            values = values.copy()
            for j, numbers in self.lookups.items():
                there = ~np.isnan(values[:, j])
                values[there, j] = numbers[values[there, j].astype(int)]
        return torch.from_numpy(encode(self.known, values)).reshape(len(values), *(self.shape or (-1,)))


def _are_classes(values: np.ndarray) -> bool:
    """At most 20 different whole numbers, on average three times each."""
    different: set[float] = set()
    for start in range(0, len(values), BLOCK):
        block = pd.unique(values[start : start + BLOCK])
        if (block % 1).any() or len(different := different.union(block.tolist())) > 20:
            return False
    return 3 * len(different) <= len(values)
