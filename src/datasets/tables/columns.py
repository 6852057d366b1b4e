"""What a column of a table holds.

One representation for all kinds, float64: a number is itself, a boolean 0 or 1, a date its days since 1970-01-01, a
category its place in the column's list of categories; NaN is missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

Kind = Literal["number", "boolean", "date", "category"]


class Column:
    """A column's name, kind and all that is learnt from the training rows.

    Args:
        kind: number | boolean | date | category.
        categories: by number.
        fill: what stands for a missing value; None: none may be missing.
        clock: the dates have a time of day.
    """

    def __init__(
        self, name: str, kind: Kind, categories: Iterable[str] = (), fill: float | None = None, clock: bool = False
    ) -> None:
        self.name, self.kind, self.fill, self.clock = name, kind, fill, clock
        self.codes = {category: code for code, category in enumerate(categories)}

    def spec(self) -> dict[str, Any]:
        """Plain data, from which `Column(**spec)` makes the same."""
        return {
            "name": self.name, "kind": self.kind, "categories": list(self.codes), "fill": self.fill, "clock": self.clock
        }  # fmt: skip

    def codes_in(self, other: Column) -> np.ndarray:
        """For each category its number in `other`, -1 where that has none."""
        return np.array([other.codes.get(category, -1) for category in self.codes], "float64")
