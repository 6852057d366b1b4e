"""The fields of a column as numbers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from src.console.messages import UserError
from src.datasets.tables.columns import dates
from src.datasets.tables.columns.column import Column
from src.datasets.tables.text_format import TextFormat, as_text
from src.datasets.tables.typed import listing

LARGEST = float(np.finfo("float32").max)  # nets compute in 32 bits
TOTALS = re.compile(r"\W*((grand|sub) ?)?(total|totale?s|sum(me|ma)?|somme|gesamt(summe)?|insgesamt)\W*", re.IGNORECASE)
BOOLEANS = {"true": 1.0, "false": 0.0}


def numbers(
    series: pd.Series,
    column: Column,
    where: str,
    above: int,
    text: TextFormat,
    date_format: str | None,
    grow: bool,
    hints: bool,
) -> np.ndarray:
    """The fields of a chunk as float64 (N,). `grow`: a new category gets the next number, else -1. `hints`: errors say
    what to type; not where a finished run has settled how a column is read.

    Raises:
        UserError: a field that is not of the column's kind, or infinite; its row, `above` rows above the chunk.
    """
    is_category = column.kind == "category"
    if text.missing_values and not is_category:  # CSV knows them already, other files do not
        series = _without(series, text.missing_values)
    values = _coded(series, column, text, grow) if is_category else values_in(series, column, text, date_format)
    bad = np.isnan(values)
    if bad.any():
        bad &= present(series, text.markers if is_category else text.markers_among_numbers)
    too_large = np.abs(values) > LARGEST
    if not bad.any() and not too_large.any():
        return values
    row = int(np.argmax(bad | too_large))
    written = as_text(series.iloc[row])
    if too_large[row]:
        reason = "infinite, or too large for 32 bits."
    elif hints and written == column.name:
        raise UserError(f"{where}, row {above + row + 1}: the names of the columns come again. Remove that row.")
    else:
        of_run = f" The run's are as {column.date_format or date_format or dates.ISO}." if column.kind == "date" else ""
        told = _what_to_type(written, column, above + row) if hints else of_run
        reason = f"not a {column.kind}, as others there.{told}"
    raise UserError(f"{where}, row {above + row + 1}: {column.name} is {written!r}, which is {reason}")


def _what_to_type(text: str, column: Column, above: int) -> str:
    """If a text stands for a missing value, is a unit, a category, or a date with its month first."""
    said = f" If it stands for a missing value, say {listing('missing_values', [text])}."
    if not above and not re.search(r"\d", text):
        said += " If the first row says units, remove it from the file."
    if is_total(text) or len(text.split()) > 2:
        return f"{said} If it is a row of totals, or a note, remove it from the file."
    if column.kind != "date":
        return f"{said} If the column holds categories, say {listing('categorical', [column.name])}."
    other = (column.date_format or "").translate(str.maketrans("dm", "md"))
    if "%m" in other and not np.isnan(dates.days(pd.Series([text]), other)).any():
        said += f" If day and month stand the other way round in this column, say {dates.shown(other)}."
    return said


def is_total(text: str) -> bool:
    """Whether a field says that its row is the sum of others."""
    return TOTALS.fullmatch(text) is not None


def is_text(series: pd.Series) -> bool:
    """Whether fields are held as they are written: not as the numbers, booleans or dates that they are."""
    return not types.is_numeric_dtype(series) and not types.is_datetime64_any_dtype(series)


def texts_of(series: pd.Series) -> pd.Series:
    """Fields as they are written."""
    return series if isinstance(series.dtype, pd.StringDtype) else series.map(as_text, na_action="ignore").astype(str)


def present(series: pd.Series, markers: list[str]) -> np.ndarray:
    """Which fields hold more than a text that stands for a missing value, with blanks around it or without."""
    present = series.notna().to_numpy()
    if types.is_numeric_dtype(series):
        return present
    stripped = series.str.strip() if isinstance(series.dtype, pd.StringDtype) else series.map(_stripped)
    return present & ~(series.isin(markers) | stripped.isin(markers)).to_numpy()


def _without(series: pd.Series, missing: list[str]) -> pd.Series:
    """Fields, none in the place of those that stand for a missing value."""
    if types.is_numeric_dtype(series):
        return series.mask(series.isin([float(value) for value in missing if _is_number(value)]))
    different = series.drop_duplicates().dropna()
    return series.mask(series.isin(different[~present(texts_of(different), missing)]))


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def values_in(series: pd.Series, column: Column, text: TextFormat, date_format: str | None) -> np.ndarray:
    """The fields of a column that holds no categories, float64 (N,); nan for what is not written as the column is."""
    if column.kind == "date":
        texts = series if types.is_datetime64_any_dtype(series) else texts_of(series)
        return dates.days(texts, column.date_format or date_format, column.until)
    if column.kind == "boolean":
        return booleans_in(series)
    if column.number_format and not types.is_numeric_dtype(series):
        return column.number_format.read(texts_of(series))
    return numbers_in(series, text.mark)


def numbers_in(series: pd.Series, decimal: str) -> np.ndarray:
    """Numbers, float64 (N,), that are written plainly, with this decimal mark; nan for what is none."""
    if types.is_numeric_dtype(series) and not types.is_bool_dtype(series):
        return series.to_numpy("float64", na_value=np.nan)
    if decimal != ".":
        series = texts_of(series).str.replace(".", "?", regex=False).str.replace(decimal, ".", regex=False)
    elif series.dtype == object:
        series = texts_of(series)
    return pd.to_numeric(series, errors="coerce").to_numpy("float64", na_value=np.nan)


def _is_number(text: str) -> bool:
    return not np.isnan(pd.to_numeric(pd.Series([text]), errors="coerce")[0])


def booleans_in(series: pd.Series) -> np.ndarray:
    """1 for true, 0 for false, float64 (N,); nan for what is neither."""
    if types.is_bool_dtype(series):
        return series.to_numpy("float64")
    return texts_of(series).str.strip().str.lower().map(BOOLEANS).to_numpy("float64", na_value=np.nan)


def _coded(series: pd.Series, column: Column, text: TextFormat, grow: bool) -> np.ndarray:
    codes, different = pd.factorize(series)  # -1: missing
    numbers, missing = np.full(len(different) + 1, np.nan), set(text.markers if text.missing_values is not None else ())
    for i, value in enumerate(different):
        category = as_text(value)
        if category in missing or category.strip() in missing:
            continue
        if grow:
            numbers[i] = column.categories.setdefault(category, len(column.categories))
        else:
            numbers[i] = column.place_of(category)
    return numbers[codes]
