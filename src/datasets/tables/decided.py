"""How columns are read follows from the training rows alone, as if those for val and test stood in another file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from src.console.messages import UserError
from src.datasets.tables.columns import dates
from src.datasets.tables.columns.column import Column
from src.datasets.tables.columns.fields import present, texts_of, values_in
from src.datasets.tables.columns.kinds import column_of
from src.datasets.tables.columns.number_texts import marking
from src.datasets.tables.files.file import TableFile
from src.datasets.tables.rows import RowReader
from src.datasets.tables.typed import listing


def check_decided(reader: RowReader, training: np.ndarray, fitted: Sequence[Column]) -> None:
    """See that rows for val and test have not changed how the training rows are read.

    Args:
        reader: of all rows.
        training: numbers of the training rows, (N,).
        fitted: the feature columns, with the categories of the training rows.

    Raises:
        UserError: of all columns of which they have; what to type.
    """
    table, said, problems = reader.tables[0], reader.roles.date_format, list[str | None]()
    for written in reader.written():
        rows = written.iloc[training[training < len(written)]]
        fields = [rows[name].drop_duplicates() for name in rows]
        problems = [_problem(some, reader.schema.columns[str(some.name)], table, said) for some in fields]
        if all(problem is None for problem in problems):
            break
    for column in fitted:
        if column.name not in reader.roles.categorical:
            others = reader.schema.columns[column.name].categories.keys() - column.categories.keys()
            problems += [_problem_of_category(column, sorted(others), table, said)] if others else []
    if told := [f"{table.name}, training rows: {problem}" for problem in problems if problem]:
        raise UserError("\n".join(told))


def _problem(fields: pd.Series, column: Column, table: TableFile, date_format: str | None) -> str | None:
    """What is wrong, where these fields alone would not be read as they are with others; "" where there are none."""
    texts = texts_of(fields[present(fields, table.text.markers_among_numbers)])
    if not len(texts):
        return ""
    if column.kind == "date":
        typed = dates.shown(column.date_format or date_format or dates.ISO)
    else:
        typed = marking(column.name, column.number_format.decimal if column.number_format else table.text.mark)
    try:
        alone = column_of(texts, table.text, date_format, table.of_file, lambda said: None)
    except UserError as error:
        return f"{error} Rows for val or test look like {typed}."
    readings = [values_in(texts, way, table.text, date_format) for way in (alone, column)]
    # A few amounts, such as 3 km and 5 km, are amounts where others say so.
    if alone.kind == "category" or np.array_equal(*readings, equal_nan=True):
        return None
    return f"{column.name} is read otherwise without rows for val and test. If these are right, say {typed}."


def _problem_of_category(column: Column, others: list[str], table: TableFile, date_format: str | None) -> str | None:
    """What is wrong, where all categories of the training rows are numbers or dates; `others` are of other rows."""
    texts = pd.Series(list(column.categories), name=column.name, dtype=str)
    try:
        alone = column_of(texts, table.text, date_format, table.of_file, lambda said: None)
    except UserError:
        return None  # what is asked there is nothing to categories
    if alone.kind not in ("number", "date") or np.isnan(values_in(texts, alone, table.text, date_format)).any():
        return None
    unread = np.isnan(values_in(pd.Series(others, dtype=str), alone, table.text, date_format))
    other = others[int(unread.argmax())]
    return (
        f"{column.name} is a {alone.kind}, but rows for val or test hold {other!r}. If it stands for a missing value, "
        f"say {listing('missing_values', [other])}. If the column holds categories, say "
        f"{listing('categorical', [column.name])}."
    )
