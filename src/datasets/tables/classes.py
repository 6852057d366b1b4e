"""A table's target -> classes, where it has any."""

from __future__ import annotations

import numpy as np
import pandas as pd
from torch import Tensor, from_numpy

from src.datasets.tables.columns import Column, as_text

BLOCK = 2**16  # values that are looked at at once


def are_classes(values: Tensor) -> bool:
    """Whether numbers are few, whole, and each comes again and again."""
    different: set[float] = set()
    for block in values.split(BLOCK):
        if (block % 1 != 0).any() or len(different := different.union(block.unique().tolist())) > 20:
            return False
    return len(different) <= len(values) / 3


def class_numbers(column: Column, values: Tensor) -> tuple[Tensor, list[str]]:
    """Class numbers (N,), and the classes' names in order."""
    numbers, different = pd.factorize(values.numpy())  # a tenth of the memory that sorting takes
    if column.kind == "category":
        texts = list(column.codes)
        names = [texts[int(value)] for value in different]
        order = sorted(range(len(names)), key=names.__getitem__)
    else:
        names = [str(bool(value)) if column.kind == "boolean" else as_text(value) for value in different.tolist()]
        order = different.argsort().tolist()
    ranks = np.empty(len(order), "int64")
    ranks[order] = np.arange(len(order))
    return from_numpy(ranks[numbers]), [names[place] for place in order]
