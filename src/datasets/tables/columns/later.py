"""Rows behind those by which a column's format was settled: they hold to it, widen it, or are told."""

from __future__ import annotations

import numpy as np
import pandas as pd

from src.console.messages import UserError
from src.datasets.tables.columns.column import Column
from src.datasets.tables.columns.fields import numbers_in, present, texts_of
from src.datasets.tables.columns.number_texts import NumberFormat, marking, number_format_of, sample
from src.datasets.tables.text_format import TextFormat, as_text


def settled_by(series: pd.Series, text: TextFormat) -> list[str]:
    """Texts that show how the numbers of a column are written, in the rows that have settled it."""
    if not pd.api.types.is_numeric_dtype(series):
        return sample(texts_of(series[present(series, text.markers_among_numbers)]))
    values = numbers_in(series, text.mark)
    some = [values[values % 1 > 0][:1], values[np.abs(values) >= 1000][:1]]  # with decimals, with four digits
    return [as_text(value).replace(".", text.mark) for value in np.concatenate(some)]


def check_later(column: Column, series: pd.Series, text: TextFormat, of_file: str | None, seen: list[str]) -> bool:
    """See that a column's numbers are written in later rows as in those before, of which `seen` are some.

    What is written in more ways than before, such as the first numbers with thousands, is a part of the format from
    here on, where it leaves what was read as it is. Returns whether it has become so.

    Raises:
        UserError: a mark is another one than it was taken for; what to type.
    """
    if pd.api.types.is_numeric_dtype(series):
        return False
    texts = texts_of(series[present(series, text.markers_among_numbers)])
    plain = numbers_in(texts, text.mark)
    if column.number_format is None and not np.isnan(plain).any():
        return False
    later = sample(texts)
    before = column.number_format or NumberFormat("", "", "", text.mark)
    found = number_format_of([*seen, *later], column.name, text.mark_of(column.name), of_file, lambda said: None)
    if found is None or (found == before and (column.number_format or not found.reads_more(texts, plain))):
        return False
    if not np.array_equal(*(form.read(pd.Series(seen, dtype=object)) for form in (before, found)), equal_nan=True):
        written = later[int(np.argmax(np.isnan(before.read(pd.Series(later)))))]
        raise UserError(
            f"{column.name} holds {written!r}, in which {found.decimal!r} stands before decimals; in the rows above it "
            f"was taken for a mark of thousands. Say {marking(column.name, found.decimal)}."
        )
    column.number_format = found
    seen += later
    return True
