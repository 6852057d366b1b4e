"""The columns of a table -> features, by what the training rows alone teach."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from src.datasets.tables.columns import Column


def learn(columns: list[Column], blocks: Iterable[np.ndarray], impute: bool) -> list[Column]:
    """Columns with the categories that the training rows have, in order, and, if `impute`, with fills.

    Args:
        blocks: all training rows, (B, columns) each.

    Raises:
        ValueError: no training row has a value of a column, so that there is nothing to fill in.
    """
    sums, counts = np.zeros(len(columns)), np.zeros(len(columns))
    seen = [np.zeros(max(2, len(column.codes)), int) for column in columns]
    clock = np.zeros(len(columns), bool)
    for block in blocks:
        sums += np.nansum(block, axis=0)
        counts += (~np.isnan(block)).sum(axis=0)
        clock |= ((block % 1) > 0).any(axis=0)
        for j, column in enumerate(columns):
            if column.kind in ("category", "boolean"):
                values = block[:, j]
                seen[j] += np.bincount(values[~np.isnan(values)].astype(int), minlength=len(seen[j]))
    if impute and not counts.all():
        name = columns[int(np.argmin(counts))].name
        raise ValueError(f"data.missing=impute: {name} has no value in the training rows. Say data.drop=[{name}].")

    learnt = []
    for j, column in enumerate(columns):
        counted = dict(zip(column.codes, seen[j].tolist(), strict=False))
        known = sorted(category for category, count in counted.items() if count)
        if column.kind == "category":
            fill = known.index(max(known, key=lambda category: counted[category])) if known else 0
        elif column.kind == "boolean":
            fill = seen[j].argmax()
        else:
            fill = sums[j] / max(1, counts[j])
        is_date = column.kind == "date"
        learnt.append(
            Column(column.name, column.kind, known, float(fill) if impute else None, is_date and bool(clock[j]))
        )
    return learnt


def teaches(columns: list[Column], impute: bool) -> bool:
    """Whether there is anything to learn from the training rows."""
    return impute or any(column.kind in ("category", "date") for column in columns)


def width(column: Column) -> int:
    """How many features a column makes."""
    return {"category": len(column.codes), "date": 7 if column.clock else 5}.get(column.kind, 1)


def encode(columns: list[Column], values: np.ndarray) -> np.ndarray:
    """Features, float32 (B, F), of rows (B, columns); a category -1 is none of the column's.

    A number or boolean makes one, a category one for each of the column's categories, 0 or 1. A date makes its days,
    and sine and cosine of its place in the year and in the week, and in the day if the column has a clock.
    """
    if all(column.kind in ("number", "boolean") and column.fill is None for column in columns):
        return values.astype("float32")
    features = np.zeros((len(values), sum(map(width, columns))), "float32")
    at = 0
    for column, field in zip(columns, values.T, strict=True):
        if column.fill is not None:
            field = np.where(np.isnan(field), column.fill, field)
        if column.kind == "category":
            [rows] = np.nonzero(field >= 0)
            features[rows, at + field[rows].astype(int)] = 1
        elif column.kind == "date":
            turns = 2 * np.pi * field[:, None] / [365.2425, 7, 1][: 3 if column.clock else 2]
            features[:, at] = field
            features[:, at + 1 : at + width(column) : 2] = np.sin(turns)
            features[:, at + 2 : at + width(column) : 2] = np.cos(turns)
        else:
            features[:, at] = field
        at += width(column)
    return features
