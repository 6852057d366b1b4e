"""What a column of a table holds.

One representation for all kinds, float64: a number is itself, a boolean 0 or 1, a date its days since 1970-01-01, a
category its place in the column's list of categories; NaN is missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Literal

import numpy as np

from src.datasets.tables.columns.number_texts import NumberFormat

Kind = Literal["number", "boolean", "date", "category"]


class Column:
    """A column's name, kind and format, as the file has them, and all that is learnt from the training rows.

    Args:
        kind: number | boolean | date | category.
        categories: in their order.
        fill: what stands for a missing value, for a category -1: none of them; None: none may be missing.
        clock: the dates have a time of day.
        number_format: how the numbers are written; None: as in 1234.5, with the table's decimal mark.
        date_format: how the dates are written; None: as the table's date_format says.
        until: the last year that two digits stand for in dates; None: as in strptime, 2068.
        indicator: a second feature says whether the value is missing.
    """

    def __init__(
        self,
        name: str,
        kind: Kind,
        categories: Iterable[str] = (),
        fill: float | None = None,
        clock: bool = False,
        number_format: dict[str, str] | NumberFormat | None = None,
        date_format: str | None = None,
        indicator: bool = False,
        until: int | None = None,
    ) -> None:
        self.name, self.kind, self.fill, self.clock = name, kind, fill, clock
        is_plain = isinstance(number_format, dict)
        self.number_format = NumberFormat(**number_format) if is_plain else number_format
        self.date_format, self.indicator, self.until = date_format, indicator, until
        self.categories = {category: place for place, category in enumerate(categories)}

    def spec(self) -> dict[str, Any]:
        """Plain data, from which `Column(**spec)` makes the same."""
        always = {"name": self.name, "kind": self.kind, "categories": list(self.categories)}
        always |= {"fill": self.fill, "clock": self.clock}
        written = {
            "date_format": self.date_format,
            "number_format": self.number_format and asdict(self.number_format),
            "indicator": self.indicator,
            "until": self.until,
        }
        return always | {name: value for name, value in written.items() if value}

    @property
    def is_text(self) -> bool:
        """Whether its fields are read as they are written."""
        return self.kind in ("category", "date") or self.number_format is not None

    def unfitted(self) -> Column:
        """The column as it is before any row is read."""
        formats: dict[str, Any] = {"number_format": self.number_format, "date_format": self.date_format}
        return Column(self.name, self.kind, **formats, until=self.until)

    def place_of(self, category: str) -> int:
        """Its place, -1 if it is none of these; 8010.0 is 8010, as pandas writes it in a column that lacks a value."""
        forms = (category, category.removesuffix(".0"), f"{category}.0")
        return next((self.categories[form] for form in forms if form in self.categories), -1)

    def places_in(self, other: Column) -> np.ndarray:
        """For each category its place in `other`, -1 where that has none."""
        return np.array([other.place_of(category) for category in self.categories], "float64")
