"""Numbers that stand for something, as those of shops, patients or days do: near ones are not alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from src.datasets.tables.columns.column import Column

ROWS, VALUES, WIDE = 10_000, 2**22, 2000  # that are looked at; so many columns are not
LEAST, OFTEN = 17, 4  # values; rows of each, on average
STRIKING = 8  # standard deviations
DIRECTIONS = 16


def some_of(rows: np.ndarray, width: int) -> np.ndarray:
    """Rows from all over a table that are enough to look at, in order, of these (N,); `width` columns."""
    most = min(ROWS, VALUES // max(1, width)) if width <= WIDE else 0
    return np.sort(rows[:: max(1, -(-len(rows) // most))]) if most else rows[:0]


def code_columns(columns: Sequence[Column], rows: np.ndarray, y: np.ndarray, is_class: bool) -> dict[str, int]:
    """Columns of whole numbers from one of which to the next the target jumps: how many numbers each has.

    Args:
        rows: of training, (N, columns).
        y: of these, (N, K) values or labels, or (N,) class numbers.
    """
    if not len(rows):
        return {}
    if is_class:  # classes that are far apart, whatever their numbers
        targets = np.random.default_rng(0).normal(size=(int(y.max()) + 1, DIRECTIONS))[y]
    else:
        targets = pd.DataFrame(y.reshape(len(y), -1)).rank().to_numpy()
    counts = {}
    for column, values in zip(columns, rows.T, strict=True):
        known = ~np.isnan(values)
        if column.kind == "number" and _stands_for_something(values[known], targets[known]):
            counts[column.name] = len(np.unique(values))  # one more, if some are missing
    return counts


def _stands_for_something(values: np.ndarray, targets: np.ndarray) -> bool:
    if (values % 1).any():
        return False
    count = len(np.unique(values))
    return LEAST <= count <= len(values) / OFTEN and _jump(values, targets) > STRIKING


def _jump(values: np.ndarray, targets: np.ndarray) -> float:
    """By how many standard deviations the targets differ more between neighbouring values than by chance.

    Von Neumann's ratio of the means of targets (N, K) by value, weighted by their numbers: about 1 where they follow a
    smooth curve, as between ages.
    """
    _, places, rows = np.unique(values, return_inverse=True, return_counts=True)
    means = np.stack([np.bincount(places, target) / rows for target in targets.T], axis=1)
    within = ((targets - means[places]) ** 2).sum() / (len(targets) - len(rows))
    jumps = (np.diff(means, axis=0) ** 2).sum(axis=1) / (1 / rows[1:] + 1 / rows[:-1])
    return float((jumps.mean() / max(within, 1e-12) - 1) * np.sqrt(len(rows) / 3))
