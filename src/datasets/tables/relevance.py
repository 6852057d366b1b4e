"""How much each column of a table tells about its target, by itself."""

from __future__ import annotations

from collections.abc import Container

import numpy as np

from src.datasets.tables.columns.column import Column

GROUPS = 12  # of numbers, with as many rows in each


def relevance(
    columns: list[Column], rows: np.ndarray, y: np.ndarray, classes: int | None, codes: Container[str]
) -> np.ndarray:
    """How much of the spread of each target is one between groups of rows with like values, (columns, K), at most 1.

    0 or less: no more than chance would do. Of values the ranks are looked at, so that no single one decides; a
    missing value is a group of its own.

    Args:
        rows: (N, columns), of training.
        y: class numbers (N,), of which there are `classes`; else values or labels (N, K).
        codes: columns of numbers that stand for something: each is a group of its own.
    """
    targets = [np.eye(classes)[y]] if classes else [_ranks(values)[:, None] for values in y.T]
    found = np.zeros((len(columns), len(targets)))
    for j, column in enumerate(columns):
        groups = _groups(column, rows[:, j], GROUPS if column.name not in codes else len(rows))
        for k, target in enumerate(targets):
            found[j, k] = _explained(groups, target)
    return found


def _groups(column: Column, values: np.ndarray, most: int) -> np.ndarray:
    """A number from 0 for each row."""
    if column.kind in ("number", "date") and len(np.unique(values)) > most:
        edges = np.unique(np.nanquantile(values, np.linspace(0, 1, most + 1)[1:-1]))
        values = np.where(np.isnan(values), -1, np.searchsorted(edges, values))
    return np.unique(values, return_inverse=True)[1]


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.searchsorted(np.sort(values), values).astype("float64")


def _explained(groups: np.ndarray, target: np.ndarray) -> float:
    """The share of the variance of targets (N, C) that lies between groups (N,), less what chance explains."""
    counts = np.bincount(groups)
    sums = np.stack([np.bincount(groups, values) for values in target.T])  # (C, groups)
    total = ((target - target.mean(axis=0)) ** 2).sum()
    between = (sums**2 / counts).sum() - (target.sum(axis=0) ** 2).sum() / len(target)
    left = len(target) - len(counts)
    return 1 - (1 - between / total) * (len(target) - 1) / left if total > 0 and left > 0 else 0.0
