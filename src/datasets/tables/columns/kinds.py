"""Which kind of column the fields of one make, and how they are written."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from pandas.api import types

from src.console.messages import UserError, listed
from src.datasets.tables.columns import dates
from src.datasets.tables.columns.column import Column
from src.datasets.tables.columns.fields import BOOLEANS, booleans_in, numbers_in, present, texts_of
from src.datasets.tables.columns.number_texts import NumberFormat, number_format_of, sample
from src.datasets.tables.text_format import TextFormat, as_text
from src.datasets.tables.typed import dropping

Tell = Callable[[str], object]


def column_of(series: pd.Series, text: TextFormat, date_format: str | None, of_file: str | None, tell: Tell) -> Column:
    """Kind and format of a column, by its fields; `tell` says them, where the format is not the usual one.

    A text among numbers or dates is a mistake, not a category, where these are nine in ten, or half of many different.

    `of_file` is that of the `TableFile`.

    Raises:
        UserError: fields that hold no single value, or numbers or dates that may be read in two ways.
    """
    name = str(series.name)
    if types.is_bool_dtype(series):
        return Column(name, "boolean")
    if types.is_numeric_dtype(series):
        if not date_format:
            _tell_digits(name, numbers_in(series, "."), tell)
        return Column(name, "number")
    if types.is_datetime64_any_dtype(series):
        return Column(name, "date")
    fields, series = series, series[present(series, text.markers_among_numbers)]
    if not len(series):
        return Column(name, "category" if present(fields, text.markers).any() else "number")
    if isinstance(series.iloc[0], (list, dict, bytes, np.ndarray)):
        raise UserError(f"{name} holds {type(series.iloc[0]).__name__}s. Leave it out: {dropping([name])}.")
    if as_text(series.iloc[0]).strip().lower() in BOOLEANS and not np.isnan(booleans_in(series)).any():
        return Column(name, "boolean")
    texts = texts_of(series)
    share = 0.5 if texts.nunique() > 20 else 0.9
    looks = [lambda: _number_column(name, texts, text, of_file, tell), lambda: _date_column(name, texts, date_format)]
    for look in reversed(looks) if date_format else looks:  # a format may be of digits alone
        column, values = look()
        read = np.count_nonzero(~np.isnan(values))
        if read >= share * len(texts):
            years = f", years up to {column.until}" if column.until else ""
            tell_format(column, tell, f"{years} ({read} of {len(texts)})")
            _tell_missing(fields, text, tell)
            if column.kind == "number" and not (column.number_format or date_format):
                _tell_digits(name, values, tell)
            return column
    return Column(name, "category")


def _tell_digits(name: str, values: np.ndarray, tell: Tell) -> None:
    if dates.of_digits(values):
        example = as_text(values[~np.isnan(values)][0])
        tell(f"{name}: {example} and others look like dates; date_format=%Y%m%d reads them as such.")


def _tell_missing(fields: pd.Series, text: TextFormat, tell: Tell) -> None:
    """Say which texts stand for missing values here, though not in a column of categories."""
    seen = fields[fields.isin(set(text.markers_among_numbers) - set(text.markers))]
    if len(seen):
        tell(f"{fields.name}: {listed([repr(v) for v in seen.unique()], 5)} for missing values ({len(seen)})")


def tell_format(column: Column, tell: Tell, counts: str = "") -> None:
    """Say how a column's fields are read, where that is not plain."""
    if column.number_format:
        tell(f"{column.name}: {column.number_format}{counts}")
    elif column.date_format not in (None, dates.ISO):
        tell(f"{column.name}: dates as {column.date_format}{counts}")


def _number_column(
    name: str, texts: pd.Series, text: TextFormat, of_file: str | None, tell: Tell
) -> tuple[Column, np.ndarray]:
    """The column, if it is one of numbers, and their values."""
    values = numbers_in(texts, text.mark)
    said = text.mark_of(name)
    is_plain = of_file not in (",", ";") if said is None else said == text.mark
    if is_plain and not np.isnan(values).any():
        return Column(name, "number"), values
    found = number_format_of(sample(texts), name, said, of_file, tell)
    plain = NumberFormat("", "", "", text.mark)
    if found is None or (found == plain and not found.reads_more(texts, values)):
        return Column(name, "number"), values
    return Column(name, "number", number_format=found), found.read(texts)


def _date_column(name: str, texts: pd.Series, date_format: str | None) -> tuple[Column, np.ndarray]:
    """The column, if it is one of dates, and their days; not in `date_format` where that fits no field."""
    read: dict[str | None, np.ndarray] = {None: dates.days(texts, date_format)}
    if date_format and np.isnan(read[None]).mean() > 0.1:
        read[dates.ISO] = dates.days(texts, dates.ISO)
    if all(np.isnan(values).mean() > 0.1 for values in read.values()) and (found := dates.format_of(texts, name)):
        read[found] = dates.days(texts, found)
    best = min(read, key=lambda other: np.isnan(read[other]).sum())
    until = dates.UNTIL if "%y" in (best or date_format or "") else None
    return Column(name, "date", date_format=best, until=until), read[best]
