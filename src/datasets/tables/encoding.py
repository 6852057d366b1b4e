"""The columns of a table -> features, by what the training rows alone teach."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from src.console.messages import UserError, listed
from src.console.screen import notice
from src.datasets.tables.columns.column import Column
from src.datasets.tables.typed import dropping

PERIODS = (365.2425, 7.0, 1.0)  # days of a year, a week and a day


def fit_columns(
    columns: list[Column], blocks: Iterable[np.ndarray], impute: bool, indicators: bool, drop: Sequence[str] = ()
) -> list[Column]:
    """Columns with the categories that the training rows have, in order, and, if `impute`, with fills.

    Args:
        blocks: all training rows, (B, columns) each.
        indicators: where training rows lack a value, x is to say so.
        drop: columns that are left out already.

    Raises:
        UserError: no training row has a value of a column, so that there is nothing to fill in.
    """
    if not impute and not any(column.kind in ("category", "date") for column in columns):
        return columns  # there is nothing to learn, and a large table takes long to read
    sums, counts, rows = np.zeros(len(columns)), np.zeros(len(columns), int), 0
    frequencies = [np.zeros(max(2, len(column.categories)), int) for column in columns]
    clock = np.zeros(len(columns), bool)
    for block in blocks:
        sums += np.nansum(block, axis=0)
        counts += (~np.isnan(block)).sum(axis=0)
        rows += len(block)
        clock |= ((block % 1) > 0).any(axis=0)
        for j, column in enumerate(columns):
            if column.kind in ("category", "boolean"):
                values = block[:, j]
                frequencies[j] += np.bincount(values[~np.isnan(values)].astype(int), minlength=len(frequencies[j]))
    if impute and not counts.all():
        names = [column.name for column, count in zip(columns, counts, strict=True) if not count]
        raise UserError(
            f"missing=impute: {listed(names)} without a value in the training rows. Say {dropping([*drop, *names])}."
        )
    means, tells = sums / np.maximum(1, counts), (counts < rows) & indicators
    return [
        _fitted(column, frequencies[j], means[j], bool(clock[j]), bool(tells[j]), impute)
        for j, column in enumerate(columns)
    ]


def _fitted(column: Column, frequencies: np.ndarray, mean: float, clock: bool, tells: bool, impute: bool) -> Column:
    """The column with its categories in the training rows, and what stands for a missing value.

    If x `tells` that a value is missing, which may mean something, a missing category is none of the others, and
    columns of other kinds have an indicator.
    """
    counted = dict(zip(column.categories, frequencies.tolist(), strict=False))
    categories = sorted(category for category, count in counted.items() if count)
    if column.kind == "category":
        fill = categories.index(max(categories, key=counted.__getitem__)) if categories and not tells else -1
    elif column.kind == "boolean":
        fill = int(frequencies.argmax())
    else:
        fill = mean
    clock = clock and column.kind == "date"
    formats = column.number_format, column.date_format, tells and column.kind != "category", column.until
    return Column(column.name, column.kind, categories, float(fill) if impute else None, clock, *formats)


def feature_count(column: Column) -> int:
    """How many features a column makes."""
    counts = {"category": len(column.categories), "date": 1 + 2 * len(periods(column))}
    return counts.get(column.kind, 1) + column.indicator


def periods(column: Column) -> list[float]:
    """In days: those of which a date makes features."""
    return list(PERIODS if column.clock else PERIODS[:2])


def encode(columns: list[Column], values: np.ndarray) -> np.ndarray:
    """Features, float32 (B, F), of rows (B, columns); a category -1 is none of the column's.

    A number or boolean makes one, a category one for each of the column's categories, 0 or 1. A date makes its days,
    and sine and cosine of its place in the year and in the week, and in the day if the column has a clock. Behind the
    first of them stands the column's indicator, 1 where the value is missing, else 0.
    """
    if all(column.kind in ("number", "boolean") and column.fill is None for column in columns):
        return values.astype("float32")
    features = np.zeros((len(values), sum(map(feature_count, columns))), "float32")
    start = 0
    for column, field in zip(columns, values.T, strict=True):
        end, missing = start + feature_count(column), np.isnan(field)
        if column.fill is not None:
            field = np.where(missing, column.fill, field)
        if column.kind == "category":
            [rows] = np.nonzero(field >= 0)
            features[rows, start + field[rows].astype(int)] = 1
        else:
            features[:, start] = field
            if column.indicator:
                features[:, start + 1] = missing
        if column.kind == "date":
            turns = 2 * np.pi * field[:, None] / periods(column)
            features[:, start + 1 + column.indicator : end : 2] = np.sin(turns)
            features[:, start + 2 + column.indicator : end : 2] = np.cos(turns)
        start = end
    return features


class RowEncoder:
    """Rows of a table's feature columns -> x, as the fitted columns say, which may come from another table.

    Args:
        columns: the table's own.
        fitted: those that were fitted to training rows.
        shape: of x; None: as many values as there are features.
        where: the table's name, for messages.

    Raises:
        UserError: a fitted column is not there, or x cannot have this shape.
    """

    def __init__(self, columns: list[Column], fitted: list[Column], shape: list[int] | None, where: str) -> None:
        self.fitted, self.shape = fitted, shape
        places = {column.name: place for place, column in enumerate(columns)}
        for column in fitted:
            if column.name not in places:
                raise UserError(f"{where} has no column {column.name}, which the run needs.")
        self.places = [places[column.name] for column in fitted]
        pairs = [(columns[place], column) for place, column in zip(self.places, fitted, strict=True)]
        self.categories = [own.places_in(column) if column.kind == "category" else None for own, column in pairs]
        for own, column in pairs:
            _tell_new_categories(own, column)
        size = sum(map(feature_count, fitted))
        if shape is not None and math.prod(shape) != size:
            raise UserError(f"shape={shape} holds {math.prod(shape)} values, but {where} has {size} features.")

    def __call__(self, rows: np.ndarray) -> Tensor:
        """x, float32 (B, F) or (B, *shape), of rows (B, columns)."""
        values = rows[:, self.places]
        for j, places in enumerate(self.categories):
            if places is not None:
                known = values[:, j] >= 0  # neither missing, nor of no category
                values[known, j] = places[values[known, j].astype(int)]
        x = torch.from_numpy(encode(self.fitted, values))
        return x if self.shape is None else x.reshape(-1, *self.shape)


def _tell_new_categories(own: Column, fitted: Column) -> None:
    new = [category for category in own.categories if fitted.place_of(category) < 0]
    if new and fitted.kind == "category":
        few = listed([repr(text) for text in new], 5)
        notice(f"{own.name}: no training row has {few}. Such rows are of no category that the net knows.")
