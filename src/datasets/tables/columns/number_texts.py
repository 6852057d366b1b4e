"""Numbers as people write them: `$1,234.50`, `1.234,50 €`, `29%`, `12 km`; how a column does it is learnt from it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from src.console.messages import UserError, listed
from src.datasets.tables.typed import dropping, is_plain

SIGNS = "$€£¥₹₽₩₺₪₫₴฿₱₦¢"
CURRENCIES = [
    *("USD", "EUR", "GBP", "JPY", "CHF", "CNY", "INR", "CAD", "AUD", "NZD", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF"),
    *("RUB", "BRL", "MXN", "ZAR", "KRW", "SGD", "HKD", "TRY", "Rs", "kr"),
]
BEFORE = rf"[A-Z]{{0,3}}[{SIGNS}]|(?:{'|'.join(CURRENCIES)})\.?|=\"|'"  # and as spreadsheets keep texts: ="12", '12
BEHIND = (  # %, €, °C, km/h, sq ft, m2, l/100km, "
    rf"\"|[%‰°{SIGNS}][^\W\d_]{{0,3}}|[^\W\d_](?:[^\d,;:()\[\]{{}}=]|(?<=/)100){{0,11}}(?:(?<=[^\W\d_])[23])?"
)
APOSTROPHES = "'\u2019"
SPACES = " \u00a0\u2009\u202f"
MINUS = "\u2212\u2013-"
GROUPS = rf"\d{{1,3}}(?P<mark>[.,{APOSTROPHES}{SPACES}])(?:\d{{2,3}}(?P=mark))*\d{{3}}"
NUMBER = re.compile(
    rf"(?P<bracket>\()?[+{MINUS}]?[{SPACES}]*(?P<before>{BEFORE})?[{SPACES}]*[+{MINUS}]?"
    rf"(?P<digits>(?:{GROUPS}|\d+)(?:[.,]\d*)?|[.,]\d+)(?:[eE][+{MINUS}]?\d+)?[{SPACES}]*"
    rf"(?P<behind>{BEHIND})?(?(bracket)\))"
)
TIME = re.compile(  # 3:25, 1:02:03.5, 5:21 min/km; but no 3:25 PM
    rf"([+{MINUS}]?)(?:(\d+) days?,? )?(?:(\d+):)?(\d+):([0-5]\d(?:[.,]\d+)?)"
    rf"(?:[{SPACES}]*(?![AaPp]\.?[Mm])(?:{BEHIND}))?"
)
FEW = 5  # different whole numbers with a unit of letters, such as 3G, 4G and 5G, or times, are categories
MANY = 20  # different texts are hardly categories
LOOKED_AT = 20_000  # different texts of a column, at most


@dataclass(frozen=True)
class NumberFormat:
    """How a column writes numbers, where it is not as in 1234.5.

    Attributes:
        before, behind: what stands beside the digits, such as "$" or "km"; it may be absent.
        thousands: marks between groups of digits; "": none.
        decimal: the mark in front of the decimals.
        times: h:mm:ss or m:ss, if that is how they are written; they are in seconds.
    """

    before: str
    behind: str
    thousands: str
    decimal: str
    times: str = ""

    def __str__(self) -> str:
        if self.times:
            return f"times as {self.times}, in seconds{' (or h:mm, in minutes)' if self.times == 'm:ss' else ''}"
        kinds = [self.before, self.behind, "thousands" if self.thousands else ""]
        kinds.append("a decimal comma" if self.decimal == "," else "")
        return f"numbers with {' and '.join(filter(None, kinds)) or 'another minus, as in (5)'}"

    @property
    def replacements(self) -> dict[str, str]:
        """Regular expressions, in order, and what to put in the place of what they match, for a text as in -1234.5."""
        units = [re.escape(mark) for mark in (self.before, self.behind) if mark]
        return {
            "|".join([*units, f"[{SPACES}{re.escape(self.thousands)}]"]): "",
            f"[{MINUS[:-1]}]": "-",
            r"^\s*\([+-]?(.*)\)\s*$": r"-\1",  # as accountants write what is negative
            re.escape(self.decimal): ".",
        }

    def read(self, texts: pd.Series) -> np.ndarray:
        """Numbers, float64 (N,), of texts; nan for what is not written so."""
        texts = texts.str.strip()
        if self.times:
            return _seconds(texts)
        group = rf"[{re.escape(self.thousands)}]" if self.thousands else ""
        whole = rf"(?:\d{{1,3}}(?:{group}\d{{2,3}})*{group}\d{{3}}|\d+)" if group else r"\d+"
        decimal = re.escape(self.decimal)
        space, sign = rf"[{SPACES}]*", rf"[+{MINUS}]?"
        before, behind = (rf"(?:{re.escape(mark)})?" for mark in (self.before, self.behind))
        digits = rf"(?:{whole}(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+{MINUS}]?\d+)?"
        number = rf"{sign}{space}{before}{space}{sign}{digits}{space}{behind}"
        fits = texts.str.fullmatch(rf"{number}|\({number}\)").to_numpy(bool, na_value=False)
        for pattern, text in self.replacements.items():
            texts = texts.str.replace(pattern, text, regex=True)
        values = pd.to_numeric(texts, errors="coerce").to_numpy("float64", na_value=np.nan)
        return np.where(fits, values, np.nan)

    def reads_more(self, texts: pd.Series, values: np.ndarray) -> bool:
        """Whether it reads texts that are nan in `values`, another reading of them."""
        return bool(np.isnan(self.read(texts)).sum() < np.isnan(values).sum())


def number_format_of(
    texts: Sequence[str], name: str, decimal: str | None, of_file: str | None, tell: Callable[[str], object]
) -> NumberFormat | None:
    """How a column of such texts writes its numbers; None if most are none, or have units that differ.

    Args:
        texts: different ones.
        decimal: the mark that the user has said; None: the texts decide.
        of_file: the mark that other columns have; ";" where fields are parted so, which makes commas for decimals
            likely; None: not known.
        tell: says what the user should know.

    Raises:
        UserError: a comma or point may be either mark, or is both; what to type.
    """
    times = matched(texts, TIME)
    if times:
        return NumberFormat("", "", "", ".", _times(times)) if len(texts) > FEW else None
    found = matched(texts)
    if not found:
        return None
    before, behind = _common(match["before"] for match in found), _common(match["behind"] for match in found)
    if before is None or behind is None:
        units = list(dict.fromkeys(filter(None, (match["before"] or match["behind"] for match in found))))
        if any(map(_is_sign, units)) or len(texts) > MANY:  # not of names that are numbered, such as 1. North, 2. South
            tell(f"{name}: numbers with units that differ ({listed(units, 5)}) are taken for categories.")
        return None
    if behind and not _is_sign(behind):
        if not any({",", "."} & set(match["digits"]) for match in found) and len({m["digits"] for m in found}) <= FEW:
            return None
        if sum(match["behind"] is not None for match in found) < len(found) / 10:
            behind = ""  # 136A among numbers is no amount
    marks = Marks(name)
    for match in found:
        marks.add(match["digits"], match[0])
    thousands, decimal = marks.settled(decimal, of_file)
    return NumberFormat(before, behind, thousands, decimal)


def _is_sign(unit: str) -> bool:
    """Whether it stands beside amounts alone, as $, EUR and % do; letters may be a part of a name."""
    return unit.rstrip(".") in CURRENCIES or any(mark in f"%‰{SIGNS}" for mark in unit)


def matched(texts: Sequence[str], form: re.Pattern[str] = NUMBER) -> list[re.Match[str]]:
    """Those that are numbers, however written; nothing if most, or of a few nearly all, are none."""
    found = [match for match in map(form.fullmatch, map(str.strip, texts)) if match]
    return found if len(found) >= (0.5 if len(texts) > MANY else 0.9) * len(texts) else []


def sample(texts: pd.Series) -> list[str]:
    """Different ones, evenly from the first to the last."""
    different = texts.unique()
    return list(different[:: max(1, len(different) // LOOKED_AT)])


def marking(name: str, mark: str) -> str:
    """What to type for a column's decimal mark; for a whole table, where the column's name would need quotes in it."""
    return f"\"decimal={{{name}:'{mark}'}}\"" if is_plain(name) else f"decimal='{mark}'"


def _times(found: Sequence[re.Match[str]]) -> str:
    """How they are written: with hours, or without."""
    return "h:mm:ss" if any(match[2] or match[3] for match in found) else "m:ss"


def _seconds(texts: pd.Series) -> np.ndarray:
    """Seconds, float64 (N,), of times as 3:25, 1:02:03 or 2 days 01:02:03; nan for what is none."""
    parts = texts.where(texts.str.fullmatch(TIME).astype(bool)).str.extract(TIME)
    numbers = parts[[1, 2, 3, 4]].apply(lambda part: pd.to_numeric(part.str.replace(",", ".", regex=False)))
    values = numbers.fillna({1: 0, 2: 0, 3: 0}).to_numpy("float64") @ [86_400, 3600, 60, 1]
    return np.where(parts[0].isin(list(MINUS)), -values, values)


def _common(marks: Iterable[str | None]) -> str | None:
    """The one that nearly all have which have any; "" if none has; None if they differ."""
    counted = Counter(mark.strip() for mark in marks if mark)
    if not counted:
        return ""
    [(mark, count)] = counted.most_common(1)
    return mark if count >= 0.9 * counted.total() else None


class Marks:
    """What the digits of a column's numbers tell of its commas and points."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.decimals: dict[str, str] = {}  # mark -> a text in which it must be this
        self.groups: dict[str, str] = {}
        self.either: dict[str, str] = {}
        self.long: str | None = None  # a text of four digits or more, without a mark
        self.is_marked = True  # every text has a comma or point

    def add(self, digits: str, text: str) -> None:
        """Take the digits of a number into account."""
        self.is_marked &= not {",", "."}.isdisjoint(digits)
        inner = {c for c in digits if c in APOSTROPHES + SPACES}
        self.groups.update(dict.fromkeys(inner, text))
        there = [c for c in digits if c in ",."]
        if len(set(there)) == 2:
            self.decimals.setdefault(there[-1], text)
            self.groups.setdefault(there[0], text)
        elif len(there) > 1:
            self.groups.setdefault(there[0], text)
        elif there and digits[-1] not in there:  # as in "1. North", which tells nothing of marks
            left, _, right = digits.partition(there[0])
            is_either = len(right) == 3 and 1 <= len(left) <= 3 and left[0] != "0" and not inner
            (self.either if is_either else self.decimals).setdefault(there[0], text)
        elif len(digits) > 3 and not inner:
            self.long = text

    def settled(self, said: str | None, of_file: str | None) -> tuple[str, str]:
        """The marks of thousands ("": none), and the decimal one. Raises UserError if the texts do not decide."""
        spaces = "".join(mark for mark in self.groups if mark not in ",.")
        decimal = said or self._decimal(of_file)
        other = "," if decimal == "." else "."
        if other in self.decimals or decimal in self.groups:
            one = self.decimals.get(other) or self.groups[decimal]
            if said:
                raise UserError(
                    f"{self.name} holds {one!r}, which is no number with decimal={said!r}. Without decimal= the values "
                    "of each column decide."
                )
            raise UserError(
                f"{self.name} holds {one!r} and {self.decimals.get(decimal) or self.groups.get(other)!r}, in which the "
                "decimal mark is not the same. Mend the file, or, if it is no target, leave it out: "
                f"{dropping([self.name])}."
            )
        return spaces + (other if other in self.groups or other in self.either else ""), decimal

    def _decimal(self, of_file: str | None) -> str:
        if self.decimals:
            return next(iter(self.decimals))
        for mark in (mark for mark in ",." if mark in self.groups):
            return "," if mark == "." else "."
        if not self.either:
            return "," if of_file == "," else "."
        if list(self.either) == [","] and (of_file == "." or (of_file is None and self.long is None)):
            return "."  # three digits behind every comma
        if list(self.either) == ["."] and (of_file == "," or (of_file == "." and self.is_marked)):
            return of_file  # as 3.700 V, where other columns have decimal points
        text = next(iter(self.either.values()))
        raise UserError(
            f"{self.name} holds {text!r}, in which {next(iter(self.either))!r} may stand before decimals or thousands: "
            f"no value decides. Say {' or '.join(marking(self.name, mark) for mark in '.,')}."
        )
