"""How the fields of a column become numbers, and which kind of column they make."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from src.console.messages import UserError, nearest
from src.console.screen import notice
from src.datasets.tables import dates
from src.datasets.tables.columns import Column
from src.datasets.tables.csv_file import MISSING
from src.datasets.tables.file import TextFormat
from src.datasets.tables.number_texts import NumberFormat, learnt, sample
from src.datasets.tables.roles import dropping

LARGEST = float(np.finfo("float32").max)  # nets compute in 32 bits
BOOLEANS = {"true": 1.0, "false": 0.0}


def column_of(series: pd.Series, text: TextFormat, date_format: str | None) -> Column:
    """Kind and format of a column, by its fields; a notice, where the format is not the usual one.

    A text among numbers or dates is a mistake, not a category, where these are nine in ten, or half of many different.

    Raises:
        UserError: fields that hold no single value, or numbers or dates that may be read in two ways.
    """
    name = str(series.name)
    if types.is_bool_dtype(series) or types.is_numeric_dtype(series):
        return Column(name, "boolean" if types.is_bool_dtype(series) else "number")
    if types.is_datetime64_any_dtype(series):
        return Column(name, "date")
    series = series[_present(series)]
    if not len(series):
        return Column(name, "number")
    if isinstance(series.iloc[0], (list, dict, bytes, np.ndarray)):
        raise UserError(f"{name} holds {type(series.iloc[0]).__name__}s. Leave it out: {dropping([name])}.")
    if as_text(series.iloc[0]).lower() in BOOLEANS and not np.isnan(_booleans(series)).any():
        return Column(name, "boolean")
    texts = _texts(series)
    share = 0.5 if texts.nunique() > 20 else 0.9
    looks = (_number_column, _date_column)
    for look in reversed(looks) if date_format else looks:  # a format may be of digits alone
        column, values = look(name, texts, text, date_format)
        read = np.count_nonzero(~np.isnan(values))
        if column and read >= share * len(texts):
            tell_format(column, f" ({read} of {len(texts)})")
            return column
    return Column(name, "category")


def tell_format(column: Column, counts: str = "") -> None:
    """Say how a column's fields are read, where that is not plain."""
    if column.number_format:
        notice(f"{column.name}: {column.number_format}{counts}")
    elif column.date_format not in (None, dates.ISO):
        notice(f"{column.name}: dates as {column.date_format}{counts}")


def _number_column(name: str, texts: pd.Series, text: TextFormat, _: str | None) -> tuple[Column | None, np.ndarray]:
    """The column, if it is one of numbers, and their values."""
    values = _numbers(texts, text.mark)
    if not np.isnan(values).any():
        return Column(name, "number"), values
    found = learnt(sample(texts), name, text.mark_of(name))
    if found is None or found == NumberFormat("", "", "", text.mark):
        return Column(name, "number"), values
    return Column(name, "number", number_format=found), found.read(texts)


def _date_column(
    name: str, texts: pd.Series, _: TextFormat, date_format: str | None
) -> tuple[Column | None, np.ndarray]:
    """The column, if it is one of dates, and their days; not in `date_format` where that fits no field."""
    values = dates.days(texts, date_format)
    if not np.isnan(values).all():
        return Column(name, "date"), values
    if date_format and not np.isnan(iso := dates.days(texts, None)).any():
        return Column(name, "date", date_format=dates.ISO), iso
    found = dates.learnt(texts, name)
    return (Column(name, "date", date_format=found), dates.days(texts, found)) if found else (None, values)


def numbers(
    series: pd.Series, column: Column, where: str, above: int, text: TextFormat, date_format: str | None, grow: bool
) -> np.ndarray:
    """The fields of a chunk as float64 (N,). `grow`: a new category gets the next number.

    Raises:
        UserError: a field that is not of the column's kind, or infinite; its row, `above` rows above the chunk.
    """
    if column.kind == "category":
        values = _coded(series, column, grow)
    elif column.kind == "date":
        values = _days(series, column.date_format or date_format)
    elif column.kind == "boolean":
        values = _booleans(series)
    elif column.number_format and not types.is_numeric_dtype(series):
        values = column.number_format.read(_texts(series))
    else:
        values = _numbers(series, text.mark)
    bad = np.isnan(values)
    if bad.any():
        bad &= _present(series)
    too_large = np.abs(values) > LARGEST
    if not bad.any() and not too_large.any():
        return values
    row = int(np.argmax(bad | too_large))
    written = as_text(series.iloc[row])
    if too_large[row]:
        reason = "infinite, or too large for 32 bits."
    elif column.kind == "category":
        reason = f"no category that the run knows.{nearest(written, column.codes)}"
    else:
        reason = f"not a {column.kind}, as others there."
    raise UserError(f"{where}, row {above + row + 1}: {column.name} is {written!r}, which is {reason}")


def as_text(value: Any) -> str:
    """A field as a text: a whole number without decimals."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return f"{value:.0f}"
    return str(value)


def _texts(series: pd.Series) -> pd.Series:
    return series if isinstance(series.dtype, pd.StringDtype) else series.map(as_text, na_action="ignore").astype(str)


def _present(series: pd.Series) -> np.ndarray:
    present = series.notna().to_numpy()
    return present if types.is_numeric_dtype(series) else present & ~series.isin(MISSING).to_numpy()


def _numbers(series: pd.Series, decimal: str) -> np.ndarray:
    if types.is_numeric_dtype(series) and not types.is_bool_dtype(series):
        return series.to_numpy("float64", na_value=np.nan)
    if decimal != ".":
        series = _texts(series).str.replace(".", "?", regex=False).str.replace(decimal, ".", regex=False)
    elif series.dtype == object:
        series = _texts(series)
    return pd.to_numeric(series, errors="coerce").to_numpy("float64", na_value=np.nan)


def _booleans(series: pd.Series) -> np.ndarray:
    if types.is_bool_dtype(series):
        return series.to_numpy("float64")
    return _texts(series).str.lower().map(BOOLEANS).to_numpy("float64", na_value=np.nan)


def _days(series: pd.Series, date_format: str | None) -> np.ndarray:
    return dates.days(series if types.is_datetime64_any_dtype(series) else _texts(series), date_format)


def _coded(series: pd.Series, column: Column, grow: bool) -> np.ndarray:
    codes, different = pd.factorize(series)  # -1: missing
    numbers = np.full(len(different) + 1, np.nan)
    for i, value in enumerate(different):
        text = as_text(value)
        if grow:
            column.codes.setdefault(text, len(column.codes))
        numbers[i] = column.codes.get(text, np.nan)
    return numbers[codes]
