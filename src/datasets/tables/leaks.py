"""Columns that give the target away: y follows from their values alone."""

from __future__ import annotations

import numpy as np

from src.datasets.tables.columns.column import Column

CORRELATED = 0.9999
SEVERAL = 3  # values of y, so that it can be said to rise
FEW = 5  # rows, by which nothing is shown


def gives_away(column: Column, values: np.ndarray, y: np.ndarray, is_class: bool) -> bool:
    """Whether y follows from the values that are there, which half of the rows have at least."""
    there = ~np.isnan(values)
    if (y.ndim > 1 and y.shape[1] > 1) or 2 * there.sum() < len(values):
        return False
    y, values = y.reshape(-1)[there], values[there]
    if len(np.unique(values)) < 2 or np.ptp(y) == 0:
        return False
    if _is_function(values, y):
        return True
    return column.kind != "category" and (_parts(values, y) if is_class else _correlates(values, y))


def _is_function(values: np.ndarray, y: np.ndarray) -> bool:
    """Whether rows of one value have one y, and there are few values."""
    order = np.lexsort((y, values))
    same = values[order][1:] == values[order][:-1]
    pairs = y[order][1:][same]
    if same.mean() <= 0.5 or (y[order][:-1][same] != pairs).any():
        return False
    return _vary(pairs)


def _parts(values: np.ndarray, y: np.ndarray) -> bool:
    """Whether each class has a range of values for itself."""
    order = np.lexsort((y, values))
    values, y = values[order], y[order]
    changes = y[1:] != y[:-1]
    return bool(_vary(y) and changes.sum() == len(np.unique(y)) - 1 and (values[1:] > values[:-1])[changes].all())


def _vary(y: np.ndarray) -> bool:
    """Whether they are more than one value, and a few others that may be so by chance."""
    return bool(len(y) - np.unique(y, return_counts=True)[1].max() >= FEW)


def _correlates(values: np.ndarray, y: np.ndarray) -> bool:
    """Whether y is a line in the values, or rises or falls with them in all rows."""
    order = np.lexsort((y, values))
    steps, is_new = np.diff(y[order]), np.diff(values[order]) > 0
    is_monotone = (
        len(np.unique(y)) >= SEVERAL
        and bool((is_new == (steps != 0)).all())
        and (np.sign(steps[is_new]) == np.sign(steps[is_new][0])).all()
    )
    return bool(is_monotone) or _are_linear(values, y)


def _are_linear(values: np.ndarray, y: np.ndarray) -> bool:
    """Whether they correlate as a line does, also without their extremes, which alone would do."""
    low, high = np.quantile(values, [0.05, 0.95])
    middle = (values >= low) & (values <= high)
    parts = [(values, y), (values[middle], y[middle])]
    return all(np.ptp(a) > 0 and np.ptp(b) > 0 and abs(np.corrcoef(a, b)[0, 1]) > CORRELATED for a, b in parts)
