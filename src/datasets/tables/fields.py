"""How the fields of a column become numbers, and which kind of column they make."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from src.console.messages import UserError, nearest
from src.datasets.tables.columns import Column, Kind
from src.datasets.tables.csv_file import MISSING

LARGEST = float(np.finfo("float32").max)  # nets compute in 32 bits
BOOLEANS = {"true": 1.0, "false": 0.0}


def kind_of(series: pd.Series, where: str, decimal: str, date_format: str | None) -> Kind:
    """number, boolean, date or category: what the fields of a column are, or mostly are.

    A text among numbers or dates is a mistake, not a category, where these are nine in ten, or half of many different.

    Raises:
        UserError: fields that hold no single value, or numbers with another decimal mark.
    """
    if types.is_bool_dtype(series) or types.is_numeric_dtype(series):
        return "boolean" if types.is_bool_dtype(series) else "number"
    if types.is_datetime64_any_dtype(series):
        return "date"
    series = series[_present(series)]
    if not len(series):
        return "number"
    if isinstance(series.iloc[0], (list, dict, bytes, np.ndarray)):
        raise UserError(
            f"{where}: {series.name} holds {type(series.iloc[0]).__name__}s. Leave it out: drop=[{series.name}]."
        )
    if as_text(series.iloc[0]).lower() in BOOLEANS and not np.isnan(_booleans(series)).any():
        return "boolean"
    many = series.nunique() > 20
    candidates: list[tuple[Kind, np.ndarray]] = [
        ("number", _numbers(series, decimal)),
        ("date", _days(series, date_format)),
    ]
    for kind, values in reversed(candidates) if date_format else candidates:  # a format may be of digits alone
        share = 1 - np.isnan(values).mean()
        if share >= 0.9 or (many and share >= 0.5):
            return kind
    other = "," if decimal == "." else "."
    if _texts(series).str.fullmatch(rf"\s*[-+]?\d+{re.escape(other)}\d+\s*").mean() >= 0.9:
        raise UserError(
            f"{where}: {series.name} holds {series.iloc[0]!r}, which is text, since decimal={decimal!r}. "
            f"Say decimal='{other}'."
        )
    return "category"


def numbers(
    series: pd.Series, column: Column, where: str, above: int, decimal: str, date_format: str | None, grow: bool
) -> np.ndarray:
    """The fields of a chunk as float64 (N,). `grow`: a new category gets the next number.

    Raises:
        UserError: a field that is not of the column's kind, or infinite; its row, `above` rows above the chunk.
    """
    if column.kind == "category":
        values = _coded(series, column, grow)
    elif column.kind == "date":
        values = _days(series, date_format)
    else:
        values = _booleans(series) if column.kind == "boolean" else _numbers(series, decimal)
    bad = np.isnan(values)
    if bad.any():
        bad &= _present(series)
    too_large = np.abs(values) > LARGEST
    if not bad.any() and not too_large.any():
        return values
    row = int(np.argmax(bad | too_large))
    text = as_text(series.iloc[row])
    if too_large[row]:
        reason = "infinite, or too large for 32 bits."
    elif column.kind == "category":
        reason = f"no category that the run knows.{nearest(text, column.codes)}"
    else:
        reason = f"not a {column.kind}, as others there."
    raise UserError(f"{where}, row {above + row + 1}: {column.name} is {text!r}, which is {reason}")


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
    """Since the beginning of 1970, in UTC."""
    if not types.is_datetime64_any_dtype(series):
        series = pd.to_datetime(_texts(series), format=date_format or "ISO8601", errors="coerce", utc=True)
    moments = pd.DatetimeIndex(series)
    moments = moments.tz_convert(None) if moments.tz is not None else moments
    return ((moments - pd.Timestamp(0)) / pd.Timedelta(days=1)).to_numpy("float64")


def _coded(series: pd.Series, column: Column, grow: bool) -> np.ndarray:
    codes, different = pd.factorize(series)  # -1: missing
    numbers = np.full(len(different) + 1, np.nan)
    for i, value in enumerate(different):
        text = as_text(value)
        if grow:
            column.codes.setdefault(text, len(column.codes))
        numbers[i] = column.codes.get(text, np.nan)
    return numbers[codes]
