"""The columns of a table in plain words, from which a program without this project can make x."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from src.datasets.tables.columns.column import Column
from src.datasets.tables.columns.dates import ISO, with_four_digits
from src.datasets.tables.columns.fields import BOOLEANS
from src.datasets.tables.columns.number_texts import NumberFormat
from src.datasets.tables.encoding import feature_count, periods
from src.datasets.tables.text_format import TextFormat


def signature(
    columns: list[Column], targets: list[Column], text: TextFormat, date_format: str | None
) -> dict[str, Any]:
    """Plain data: the columns in the order of their features; by column, the texts that stand for a missing value.

    Of each column name, kind, the first of its features in x, how many these are, `replace`: regular expressions and
    what to put in the place of what they match, and the fill: what stands for a missing value (None: none may be
    missing, and no text stands for it; or it is of no category), and whether it has an indicator: a second feature, 1
    where the value is missing, else 0. Besides, else empty:

    - number: once replaced, the number is its feature.
    - boolean: once replaced, 1 for true, 0 for false is its feature.
    - category: `categories`; its features are 1 for the own one, else 0, and all 0 for any other text.
    - date: once replaced, it is in `date_format` (as in strptime, or ISO8601). Its features are the days since the
      beginning of 1970, in UTC, and for each of its `periods`, in days, sine and cosine of 2 pi days / period.

    Args:
        targets: those whose numbers have a format, for their units.
        date_format: of columns that have none of their own.
    """
    units = {c.name: c.number_format.before or c.number_format.behind for c in targets if c.number_format}
    return {
        "features": sum(map(feature_count, columns)),
        "columns": list(_columns(columns, text, date_format)),
        "missing_values": {
            column.name: text.markers if column.kind == "category" else text.markers_among_numbers
            for column in columns
            if column.fill is not None
        },
        "units": {name: unit for name, unit in units.items() if unit},
    }


def _columns(columns: list[Column], text: TextFormat, date_format: str | None) -> Iterator[dict[str, Any]]:
    first = 0
    for column in columns:
        count, fill = feature_count(column), column.fill
        own: dict[str, Any] = {"replace": {}, "categories": [], "date_format": None, "periods": []}
        if column.kind == "number":
            form = column.number_format or NumberFormat("", "", "", text.mark)
            own |= {"times": form.times} if form.times else {"replace": form.replacements}
        elif column.kind == "boolean":
            own["replace"] = {f"(?i)^{text}$": f"{value:g}" for text, value in BOOLEANS.items()}
        elif column.kind == "category":
            own["categories"] = list(column.categories)
            fill = own["categories"][int(fill)] if fill is not None and fill >= 0 else None
        elif column.kind == "date":
            written = column.date_format or date_format or ISO
            own |= {"date_format": written, "periods": periods(column)}
            if column.until:
                own |= {"date_format": written.replace("%y", "%Y"), "replace": with_four_digits(written)}
        own |= {"fill": fill, "indicator": column.indicator}
        yield {"name": column.name, "kind": column.kind, "first": first, "count": count, **own}
        first += count
