"""How a table is written in a text or Excel file, and which texts stand for a missing value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

MISSING = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
]  # fmt: skip
"""What stands for a missing value: pandas' own list, the same in every version."""
ALSO = [
    "?", "n.a.", "N.A.", "N/a", "NaT", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!",
    *(" " * count for count in range(1, 21)), "\t", "\u00a0",
]  # fmt: skip
"""What else does so in exports."""
AMONG_NUMBERS = [
    "-", "--", "---", "\u2013", "\u2014", ".", "..", "*", "na", "Na", "NAN", "none", "NONE", "Null", "(null)", "nil",
    "None", "missing", "Missing", "unknown", "Unknown",
]  # fmt: skip
"""What does so among numbers, dates, or true and false, but may be a category among texts."""


@dataclass(frozen=True)
class TextFormat:
    """How a text or Excel file is written.

    Attributes:
        separator: between the fields of a row; None: it is found by looking.
        decimal: the mark in front of the decimals, or those of some columns; None: the values of each column decide.
        encoding: utf-8, latin-1, ...; None: it is found by looking.
        max_line: bytes of its longest line, at most.
        missing_values: the user's own texts for a missing value, beside the usual ones; None: the run is from before
            there were such, and knows those of `MISSING` alone.
        seen_decimal: the decimal mark that was found by looking, where `decimal` does not say it.
        none_is_missing: "None" among texts, too, stands for a missing value, as in runs from before it was a category.
        header: which line, or row, holds the names, from 1; None: it is found by looking.
        sheet: of an Excel file; None: the first.
    """

    separator: str | None
    decimal: str | dict[str, str] | None
    encoding: str | None
    max_line: int
    missing_values: list[str] | None = None
    seen_decimal: str | None = None
    none_is_missing: bool = True
    header: int | None = None
    sheet: str | None = None

    @property
    def markers(self) -> list[str]:
        """The texts that stand for a missing value in any column."""
        if self.missing_values is None:
            return MISSING
        usual = [marker for marker in MISSING if marker != "None" or self.none_is_missing]
        return [*usual, *ALSO, *self.missing_values]

    @property
    def markers_among_numbers(self) -> list[str]:
        """Those that do so in a column that holds no categories."""
        return MISSING if self.missing_values is None else [*self.markers, *AMONG_NUMBERS]

    @property
    def mark(self) -> str:
        """The decimal mark of what is written plainly, as 1234.5 is."""
        return self.decimal if isinstance(self.decimal, str) else self.seen_decimal or "."

    def mark_of(self, name: str) -> str | None:
        """The decimal mark that the user has said for a column."""
        return self.decimal.get(name) if isinstance(self.decimal, dict) else self.decimal


def as_text(value: Any) -> str:
    """A field as a text: a whole number without decimals, a day without a time."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return f"{value:.0f}"
    return str(value).removesuffix(" 00:00:00") if isinstance(value, pd.Timestamp) else str(value)
