"""A table's columns as they were understood, for a user who wants to look before anything is learnt."""

from __future__ import annotations

from collections.abc import Container

import numpy as np

from src.datasets.tables.columns.column import Column
from src.datasets.tables.encoding import feature_count
from src.datasets.tables.numeric import NumericTable
from src.datasets.tables.text_format import as_text

ROWS = 2**16  # that are looked at
EXAMPLES = 3
HEADER = ["column", "kind", "missing", "distinct", "range", "examples", "what becomes of it"]


def overview(table: NumericTable, fitted: list[Column], target: str, codes: Container[str]) -> list[list[str]]:
    """`HEADER`, and a line for each column in the order of the file.

    Args:
        fitted: the feature columns, with what the training rows have taught.
        target: how the target is read, such as "3 classes".
        codes: columns of numbers that stand for something.
    """
    roles, by_name = table.roles, {column.name: column for column in fitted}
    uses = dict.fromkeys(roles.drop, "left out: drop=")
    uses |= dict.fromkeys(roles.target, f"target: {target}")
    uses |= dict.fromkeys(roles.texts, "keeps rows together") | {roles.split_column or "": "says the split"}
    features, others = table.features[:ROWS], table.non_features[:ROWS]
    values = dict(zip(table.reader.feature_names, features.T, strict=True)) | dict(
        zip(roles.non_features, others.T, strict=True)
    )
    lines = []
    for name in table.reader.tables[0].columns:
        if name not in values:
            lines.append([name, "", "", "", "", "", uses[name]])
            continue
        use = uses.get(name) or _use(by_name[name], bool(np.isnan(values[name]).any()), name in codes)
        lines.append([name, *_facts(table.columns[name], values[name]), use])
    return [HEADER, *lines]


def _facts(column: Column, values: np.ndarray) -> list[str]:
    """Kind, missing, distinct, range and examples."""
    present = values[~np.isnan(values)]
    distinct, first = np.unique(present, return_index=True)
    examples = [_shown(column, value) for value in present[np.sort(first)[:EXAMPLES]]]
    has_range = column.kind in ("number", "date") and len(present) > 0
    bounds = f"{_shown(column, distinct[0])} to {_shown(column, distinct[-1])}" if has_range else ""
    return [_kind(column), str(len(values) - len(present)), str(len(distinct)), bounds, ", ".join(examples)]


def _kind(column: Column) -> str:
    if column.number_format:
        return str(column.number_format)
    return f"date as {column.date_format}" if column.date_format else column.kind


def _shown(column: Column, value: float) -> str:
    if column.kind == "category":
        return list(column.categories)[int(value)]
    if column.kind == "date":
        return str(np.datetime64(round(value * 86_400), "s")).removesuffix("T00:00:00")
    return str(bool(value)) if column.kind == "boolean" else as_text(round(value, 6))


def _use(column: Column, has_missing: bool, is_code: bool) -> str:
    count = feature_count(column) - column.indicator
    made = {
        "category": f"{count} feature{'s, one for each category' if count > 1 else ''}",
        "date": f"{count} features: days, year, week{', day' if column.clock else ''}",
    }.get(column.kind, f"1 feature{', whose numbers stand for something' * is_code}")
    if not has_missing or column.fill is None:
        return made
    shown = "none of these" if column.kind == "category" and column.fill < 0 else _shown(column, column.fill)
    return f"{made}; with missing=impute {shown} where it is missing{', and one that says so' * column.indicator}"
