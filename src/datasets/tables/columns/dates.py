"""Dates as people write them: `11/07/2023`, `22-Nov-23`; how a column does it is learnt from it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.api import types

from src.console.messages import UserError, first_line

ISO = "ISO8601"
UNTIL = 2049  # the last year that two digits stand for, as in spreadsheets; to strptime 68 is 2068
CENTURY = 36_525  # days
CENTURIES = {"19": r"[5-9]\d", "20": r"[0-4]\d"}  # of two digits
FIELDS = [("dmHIMS", "[0-9]{1,2}"), ("j", "[0-9]{3}"), ("f", "[0-9]+"), ("aAbBp", "[A-Za-z]+")]  # by directive
LOOKED_AT = 1000  # texts whose shape is looked at
MARK = r"[ ./-]|, |\. "
DATE = re.compile(rf"(\d{{1,4}}|[A-Za-z]{{3,9}})({MARK}|)(\d{{1,2}}|[A-Za-z]{{3,9}})({MARK}|)(\d{{4}}|\d{{1,2}})(.*)")
MONTH = re.compile(rf"(?:([A-Za-z]{{3,9}})({MARK})|(\d{{1,2}})([/-]))(?:19|20)\d\d")
MAY = re.compile(r"(?<![A-Za-z])may(?![A-Za-z])", re.IGNORECASE)  # is written in full, and is not
WEEKDAY = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)([a-z]*)(,? )")
CLOCK = re.compile(r"([T ]|, )(\d{1,2}):(\d{2})(:\d{2})?(\.\d+)?( ?)([AaPp][Mm])?")


def days(series: pd.Series, date_format: str | None, until: int | None = None) -> np.ndarray:
    """Since the beginning of 1970, in UTC, float64 (N,); nan for what is no date of this format (None: ISO 8601).

    `until`: a later year, of which two digits are written, is one of the century before.
    """
    if until is not None:
        values = days(series, date_format)
        return np.where(values >= np.datetime64(f"{until + 1}-01-01").astype("int64"), values - CENTURY, values)
    if not types.is_datetime64_any_dtype(series):
        series = pd.to_datetime(series.str.strip(), format=date_format or ISO, errors="coerce", utc=True)
    moments = pd.DatetimeIndex(series)
    moments = moments.tz_convert(None) if moments.tz is not None else moments
    if moments.unit == "ns":
        return ((moments - pd.Timestamp(0)) / pd.Timedelta(days=1)).to_numpy("float64")
    a_day = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000}[moments.unit]  # a year such as 3500 is no nanoseconds
    return np.where(moments.isna(), np.nan, moments.to_numpy().astype("int64") / a_day)


def check_format(date_format: str) -> None:
    """Raise UserError for what is no format of dates, such as DD.MM.YYYY."""
    try:
        pd.to_datetime(["1"], format=date_format, errors="coerce")
        flaw = None if "%" in date_format or date_format == ISO else "there is no % in it"
    except ValueError as error:
        flaw = first_line(error)
    if flaw:
        raise UserError(
            f"date_format={date_format}: {flaw}. %d.%m.%Y is one; %b is a month such as Nov, %y two digits."
        )


def with_four_digits(date_format: str) -> dict[str, str]:
    """Regular expressions, and what to put in the place of what they match, that write a year's two digits as four."""
    before, behind = map(re.escape, date_format.split("%y"))
    for letters, field in FIELDS:
        before, behind = (re.sub(f"%[{letters}]", field, part) for part in (before, behind))
    return {rf"^\s*({before})({c})({behind})\s*$": rf"\g<1>{century}\2\3" for century, c in CENTURIES.items()}


def format_of(texts: pd.Series, name: str) -> str | None:
    """The format of such dates, which are not ISO 8601; None if most are none.

    Raises:
        UserError: day and month may be either way round; what to type.
    """
    candidates = _candidates(texts.iloc[:: max(1, len(texts) // LOOKED_AT)].tolist())
    read = {candidate: days(texts, candidate) for candidate in candidates}
    shares = {candidate: 1 - float(np.isnan(values).mean()) for candidate, values in read.items()}
    best = max(shares, key=shares.__getitem__, default=None)
    if best is None or shares[best] < 0.5:
        return None
    equal = [candidate for candidate, share in shares.items() if share == shares[best] and candidate[:2] != "%y"]
    if len(equal) > 1 and best[2] != ".":
        forms = " or ".join(shown(candidate) for candidate in equal)
        raise UserError(
            f"{name} holds {texts.iloc[0]!r}, in which day and month may stand either way round: no value decides. "
            f"Say {forms}."
        )
    return best


def shown(date_format: str) -> str:
    """As it is typed in a shell."""
    return f'"date_format={date_format}"' if " " in date_format else f"date_format={date_format}"


def of_digits(values: np.ndarray) -> bool:
    """Whether numbers look like dates such as 20230711."""
    present = values[~np.isnan(values)]
    if len(present) < 2 or not 19000101 <= present[0] <= 21001231:  # most columns go no further
        return False
    if (present % 1 != 0).any() or present.min() < 19000101 or present.max() > 21001231:
        return False
    texts = pd.Series(present[:: max(1, len(present) // LOOKED_AT)].astype(int).astype(str))
    return not np.isnan(days(texts, "%Y%m%d")).any()


def _candidates(texts: Sequence[str]) -> list[str]:
    """Formats of the shape that most texts have; where day and month may change places, the day first is first.

    The year first, of two digits, is last: where nothing decides against it, it is the day.
    """
    telling = [text for text in texts if not MAY.search(text) and _formats(text)]
    shapes = Counter(tuple(found) for found in map(_formats, telling or texts) if found)
    return list(shapes.most_common(1)[0][0]) if shapes else []


def _formats(text: str) -> list[str]:
    text = text.strip()
    if found := WEEKDAY.match(text):
        return [f"{'%A' if found[1] else '%a'}{found[2]}{rest}" for rest in _formats(text[found.end() :])]
    if found := MONTH.fullmatch(text):
        return [f"{_month(found[1] or found[3])}{found[2] or found[4]}%Y"]
    found = DATE.fullmatch(text)
    clock = _clock(found[6]) if found else None
    if found is None or clock is None:
        return []
    a, first, b, second, c, _ = found.groups()
    year = "%Y" if len(c) == 4 else "%y"
    if len(c) == 1 and not (len(a) == 4 and a.isdigit()):
        return []
    if not (first and second) and a.isdigit() and b.isdigit():  # as in 20230711, not in 11Jul2023
        return []
    if len(a) == 4 and a.isdigit():
        parts = [("%Y", _month(b), "%d")] if len(c) <= 2 else []
    elif not a.isdigit() or not b.isdigit():
        parts = (
            [] if not (a.isdigit() or b.isdigit()) else [(*("%d" if p.isdigit() else _month(p) for p in (a, b)), year)]
        )
    else:
        parts = [("%d", "%m", year), ("%m", "%d", year)] if len(a) <= 2 else []
        parts += [("%y", "%m", "%d")] if len(a) == len(c) == 2 else []
    return [f"{x}{first}{y}{second}{z}{clock}" for x, y, z in parts]


def _month(text: str) -> str:
    return "%m" if text.isdigit() else "%b" if len(text) == 3 else "%B"


def _clock(text: str) -> str | None:
    """The format of a time of day behind a date; None for anything else."""
    if not text.strip():
        return ""
    found = CLOCK.fullmatch(text)
    if found is None:
        return None
    seconds = (":%S" if found[4] else "") + (".%f" if found[5] else "")
    return f"{found[1]}{'%I' if found[7] else '%H'}:%M{seconds}" + (f"{found[6]}%p" if found[7] else "")
