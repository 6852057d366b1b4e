"""Marks on an axis: few, as short as tells them apart, and none in the way of another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.ticker import FixedFormatter, FixedLocator, LogLocator, MaxNLocator, NullLocator

from src.plots.sheet import DPI

LETTER = 0.09  # inches
YEAR, DAY = 4, 10  # letters of 2023 and of 2023-04-01
FIRST_DAY, LAST_DAY = -719_162, 2_932_896  # of the years 1 and 9999: Python knows no others


def few_ticks(
    axis: Any,
    most: int = 5,
    whole: bool = False,
    days: bool = False,
    text: Callable[[Sequence[float]], list[str]] | None = None,
) -> None:
    """About so many; fewer where their labels would run into one another. Call it last: it looks at what is drawn.

    Args:
        whole: at whole numbers.
        days: values are days since 1970, and marks at the beginnings of years, months, days or hours.
        text: of values; None: as short as tells them apart.
    """
    low, high = sorted(axis.get_view_interval())
    width = axis.axes.bbox.width / DPI if axis.axis_name == "x" else math.inf
    is_log = axis.get_scale() == "log"
    values, labels = list[float](), list[str]()
    for count in range(most, 0, -1):
        at = LogLocator(numticks=count) if is_log else MaxNLocator(count, steps=[1, 2, 5, 10], integer=whole)
        places = _beginnings(low, high, count) if days else at.tick_values(low, high)
        values = [value for value in places if low <= value <= high]
        labels = (text or (as_dates if days else in_short))(values)
        if LETTER * sum(len(label) + 2 for label in labels) < width:
            break
    axis.set_major_locator(FixedLocator(values))  # what lies outside would cost as much
    axis.set_major_formatter(FixedFormatter(labels))
    axis.set_minor_locator(NullLocator())


def _beginnings(low: float, high: float, count: int) -> Any:
    from matplotlib.dates import AutoDateLocator, num2date

    ends = (num2date(min(max(day, FIRST_DAY), LAST_DAY)) for day in (low, high))
    return AutoDateLocator(minticks=1, maxticks=count).tick_values(*ends)


def as_dates(values: Sequence[float]) -> list[str]:
    """Days since 1970 as 2023, 2023-04, 2023-04-01 or 2023-04-01 12:00, as little as tells all of them.

    What a date has in common with the one before, its year or its day, is not said again: 04-02, 18:00.
    """
    texts = [str(np.datetime64(round(value * 86_400), "s").astype("datetime64[m]")) for value in values]
    for rest in ("T00:00", "-01", "-01")[: 3 if len(texts) > 1 else 1]:
        if not all(text.endswith(rest) for text in texts):
            break
        texts = [text.removesuffix(rest) for text in texts]
    shown = texts[:1]
    for before, text in pairwise(texts):
        known = DAY + 1 if text[:DAY] == before[:DAY] else YEAR + 1 if text[:YEAR] == before[:YEAR] else 0
        shown.append(text[known if len(text) >= DAY else 0 :])
    return [text.replace("T", " ") for text in shown]


def in_short(values: Sequence[float]) -> list[str]:
    """0.25, 1500, 1.5e-9: as few digits as tell the values, and the steps between them."""
    steps = np.diff(np.unique(values))
    near = 1e-3 * min([*steps, *(abs(value) for value in values if value)], default=1.0)
    largest = max(map(abs, values), default=0)
    is_plain = largest == 0 or 1e-3 <= largest < 1e6
    tell = (d for d in range(17) if all(abs(float(_in(value, d, is_plain)) - value) <= near for value in values))
    digits = next(tell, 17)
    return [_in(value, digits, is_plain) for value in values]


def _in(value: float, digits: int, is_plain: bool) -> str:
    if is_plain or value == 0:
        return f"{value:.{digits if is_plain else 0}f}"
    mantissa, _, exponent = f"{value:.{digits}e}".partition("e")
    return f"{mantissa}e{int(exponent)}"
