"""A table in a file -> a Dataset: each row an example, one column the target."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import pandas as pd
import torch

from src.datasets.memory import InMemory
from src.nearest import nearest


def read_table(
    path: str,
    target: str,
    shape: list[int] | None = None,
    task: Literal["regression", "classification"] | None = None,
) -> InMemory:
    """Read a CSV file (gzipped too): numeric columns x (N, F), or (N, *shape), and the target column y.

    A target of fractional numbers is a regression's, y (N, 1); whole numbers, texts and booleans are classes, y (N,).
    `task` says so for whole numbers, which may be either.

    Raises:
        ValueError: no table in the file, no such target column, a value that is missing or not a number, a shape of
            another size, so many whole numbers that they are hardly classes.
    """
    name = Path(path).name
    table = _read(path)
    if target not in table.columns:
        hint = nearest(target, table.columns) or f" It has: {', '.join(table.columns)}."
        raise ValueError(f"data.target={target!r} is not a column of {name}.{hint}")
    features = table.drop(columns=target)
    _check(table, features, name)

    x = torch.tensor(features.to_numpy("float32"))
    if shape is not None:
        if math.prod(shape) != x.shape[1]:
            raise ValueError(
                f"data.shape={shape} holds {math.prod(shape)} values, but {name} has {x.shape[1]} features."
            )
        x = x.reshape(-1, *shape)
    return InMemory(x, *_target(table[target], task, name), target=target)


def _read(path: str) -> pd.DataFrame:
    if not Path(path).is_file():
        raise ValueError(f"data.path={path} is not a file.")
    try:
        return pd.read_csv(path)
    except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors
        raise ValueError(f"data.path={path} cannot be read as CSV in UTF-8: {error}") from error


def _check(table: pd.DataFrame, features: pd.DataFrame, name: str) -> None:
    if not len(table):
        raise ValueError(f"{name} has no rows.")
    if not len(features.columns):
        raise ValueError(f"{name} has no column but the target.")
    if table.isna().any(axis=None):
        counts = table.isna().sum()
        columns = ", ".join(f"{column} ({count})" for column, count in counts[counts > 0].items())
        raise ValueError(f"{name} has missing values in: {columns}. Fill them in or leave those rows out.")
    texts = features.columns[[not pd.api.types.is_numeric_dtype(dtype) for dtype in features.dtypes]]
    if len(texts):
        raise ValueError(f"{name}: the features {', '.join(texts)} are not numeric.")


def _target(column: pd.Series, task: str | None, name: str) -> tuple[torch.Tensor, list[str] | None]:
    """y and the names of its classes; None for a regression."""
    if task is None and pd.api.types.is_integer_dtype(column) and column.nunique() > 50:
        raise ValueError(
            f"{name} has {column.nunique()} different whole numbers as {column.name}. "
            "Say data.task=regression or classification."
        )
    if task == "regression" or (task is None and pd.api.types.is_float_dtype(column)):
        if not pd.api.types.is_numeric_dtype(column):
            raise ValueError(f"data.task=regression, but {column.name} in {name} is not numeric.")
        return torch.tensor(column.to_numpy("float32")).unsqueeze(1), None
    numbers, classes = pd.factorize(column, sort=True)
    return torch.tensor(numbers), [str(c) for c in classes]
