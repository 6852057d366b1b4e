"""The target columns of a table -> y: values, class numbers or labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from src.console.messages import UserError
from src.datasets.classes import check_labels, narrowest
from src.datasets.contract import TargetKind
from src.datasets.tables.columns.column import Column
from src.datasets.tables.numeric import BLOCK, NumericTable
from src.datasets.tables.text_format import as_text

MOST = 1e16


def read_target(table: NumericTable, kind: TargetKind | None) -> tuple[Tensor, list[str] | None]:
    """y float32 (N, K) and None; or class numbers (N,), as narrow as can be, and the classes' names in order.

    Raises:
        UserError: the target columns cannot be read so.
    """
    columns = [table.columns[name] for name in table.roles.target]
    for column in columns:
        if column.kind == "date":
            raise UserError(f"target={column.name} holds dates in {table.name}. Make it a number, such as days.")
    if kind is None:
        kind = "values" if len(columns) > 1 or _suggests_values(table, columns[0]) else "class"
    if kind == "class":
        if len(columns) > 1:
            raise UserError(f"target={table.roles.target}: a class stands in one column, not in {len(columns)}.")
        return _class_numbers(columns[0], table)
    for column in columns:
        if column.kind == "category":
            _refuse_texts(column, kind, table.name)
    y = torch.empty(len(table), len(columns))
    for k, column in enumerate(columns):
        table.fill(y[:, k], column.name)
    if kind == "values":
        _check_size(table, y)
    if kind == "labels":
        check_labels(y, [f"{column.name} in {table.name}" for column in columns])
    return y, None


def check_variety(table: NumericTable, y: Tensor, classes: list[str] | None) -> None:
    """See that there is something to learn from y.

    Raises:
        UserError: nearly every row is a class of its own, or a value is the same in all rows.
    """
    names = table.roles.target
    if classes is not None and len(classes) > max(20, len(y) / 2):
        what = "texts" if table.columns[names[0]].kind == "category" else "numbers"
        count = f"{len(classes)} different {what} in {len(y)} rows"
        raise UserError(f"target={names[0]} holds {count}, too many to be classes.")
    if classes is None and len(y) > 1:
        for k, name in enumerate(names):
            if (y[:, k] == y[0, k]).all():
                raise UserError(f"target={name} is {y[0, k]:g} in all rows: there is nothing to learn.")


def check_training_classes(labels: Tensor, classes: list[str], training: Tensor, target: str) -> None:
    """See that each class occurs in the rows `training`.

    Raises:
        UserError: one is only in rows for val or test.
    """
    lacking = set(range(len(classes))) - set(labels[training].unique().tolist())
    if lacking:
        names = ", ".join(classes[number] for number in sorted(lacking))
        raise UserError(f"No training row has {target} {names}, which rows for val or test have.")


def _check_size(table: NumericTable, y: Tensor) -> None:
    """Raise UserError for a value whose square 32 bits cannot hold, so that no score could."""
    for k, name in enumerate(table.roles.target):
        if len(rows := (y[:, k].abs() > MOST).nonzero()):
            row = "" if table.reader.left_out else f" in row {int(rows[0]) + 1}"
            raise UserError(
                f"target={name} is {y[int(rows[0]), k]:g}{row}, and its square is too large for 32 bits. Say it in a "
                f"larger unit, or, if it stands for a missing value, missing_values=[{y[int(rows[0]), k]:g}]."
            )


def _suggests_values(table: NumericTable, column: Column) -> bool:
    """Whether a column holds numbers, and these are not few, whole, and each again and again.

    What is written as $5, 5% or 5 km is an amount, however few different ones there are.
    """
    if column.kind != "number" or column.number_format:
        return column.kind == "number"
    different: set[float] = set()
    for block in table.column_blocks(column.name):
        if (block % 1 != 0).any() or len(different := different.union(block.unique().tolist())) > 20:
            return True
    return len(different) > len(table) / 3


def _refuse_texts(column: Column, kind: TargetKind, where: str) -> None:
    if kind == "labels":
        text = next(iter(column.categories), "")
        raise UserError(f"{column.name} in {where} holds {text!r}, but a label is 1 (it applies) or 0 (it does not).")
    raise UserError(f"{column.name} in {where} is not numeric: this is no regression.")


def _class_numbers(column: Column, table: NumericTable) -> tuple[Tensor, list[str]]:
    """Class numbers (N,), as narrow as they can be, and the classes' names in order."""
    different = list(dict.fromkeys(value for block in table.column_blocks(column.name) for value in _different(block)))
    if column.kind == "category":
        texts = list(column.categories)
        names = [texts[int(value)] for value in different]
        order = sorted(range(len(names)), key=names.__getitem__)
    else:
        names = [str(bool(value)) if column.kind == "boolean" else as_text(value) for value in different]
        order = np.argsort(different).tolist()
    number_of = {different[place]: number for number, place in enumerate(order)}
    y = torch.empty(len(table), dtype=narrowest(len(order)))
    for part, block in zip(y.split(BLOCK), table.column_blocks(column.name), strict=True):
        codes, values = pd.factorize(block.numpy())
        part.copy_(torch.tensor([number_of[value] for value in values.tolist()])[codes])
    return y, [names[place] for place in order]


def _different(block: Tensor) -> list[float]:
    return pd.unique(block.numpy()).tolist()
