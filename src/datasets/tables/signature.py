"""The columns of a table in plain words, from which a program without this project can make x."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from src.datasets.tables.columns import Column
from src.datasets.tables.dates import ISO
from src.datasets.tables.encoding import feature_count, periods
from src.datasets.tables.file import TextFormat
from src.datasets.tables.number_texts import NumberFormat


def signature(
    columns: list[Column], targets: list[Column], text: TextFormat, date_format: str | None
) -> dict[str, Any]:
    """Plain data: the columns in the order of their features, and the texts that stand for a missing value.

    Of each column name, kind, the first of its features in x, how many these are, and the fill: what stands for a
    missing value (None: none may be missing). Besides:

    - number: `remove`, a regular expression of what is no part of the number, such as $ and the marks of thousands, and
      `decimal`, the mark in front of the decimals. Its feature is the number. Where `times` is h:mm:ss or m:ss, these
      are written so, and the feature is the seconds.
    - boolean: its feature is 1 for true, 0 for false.
    - category: `categories`; its features are 1 for the own one, else 0, and all 0 for any other text.
    - date: `date_format` (as in strptime, or ISO8601), `epoch` and `periods`, in days. Its features are the days since
      the epoch, in UTC, and for each period sine and cosine of 2 pi days / period.

    Args:
        targets: those whose numbers have a format, for their units.
        date_format: of columns that have none of their own.
    """
    among_numbers = text.markers_among_numbers
    missing = {"category": text.markers, **dict.fromkeys(("number", "boolean", "date"), among_numbers)}
    units = {c.name: c.number_format.before or c.number_format.behind for c in targets if c.number_format}
    return {
        "features": sum(map(feature_count, columns)),
        "columns": list(_columns(columns, text, date_format)),
        "missing_values": missing,
        "units": {name: unit for name, unit in units.items() if unit},
    }


def _columns(columns: list[Column], text: TextFormat, date_format: str | None) -> Iterator[dict[str, Any]]:
    first = 0
    for column in columns:
        count, fill = feature_count(column), column.fill
        own: dict[str, Any] = {}
        if column.kind == "number":
            form = column.number_format or NumberFormat("", "", "", text.mark)
            own = {"remove": form.beside, "decimal": form.decimal} | ({"times": form.times} if form.times else {})
        elif column.kind == "category":
            categories = list(column.codes)
            own, fill = {"categories": categories}, categories[int(fill)] if fill is not None and categories else None
        elif column.kind == "date":
            own = {"date_format": column.date_format or date_format or ISO, "epoch": "1970-01-01T00:00:00Z"}
            own["periods"] = periods(column)
        yield {"name": column.name, "kind": column.kind, "first": first, "count": count, "fill": fill, **own}
        first += count
