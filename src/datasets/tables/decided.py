"""How columns are read follows from the training rows alone, as if those for val and test stood in another file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from src.console.messages import UserError
from src.datasets.tables import dates
from src.datasets.tables.columns import Column
from src.datasets.tables.fields import present, texts_of, values_in
from src.datasets.tables.file import TableFile
from src.datasets.tables.kinds import column_of
from src.datasets.tables.number_texts import marking
from src.datasets.tables.roles import Roles, listing

SOME = 5000  # different texts, which nearly always decide what all do


def check_decided(
    written: pd.DataFrame,
    training: np.ndarray,
    columns: Mapping[str, Column],
    fitted: Sequence[Column],
    table: TableFile,
    roles: Roles,
) -> None:
    """See that rows for val and test have not changed how the training rows are read.

    Args:
        written: rows as they are written, of the columns of numbers and dates that are read as texts.
        training: which of these rows are for training, (N,).
        columns: as all rows are read, by name.
        fitted: the feature columns, with the categories of the training rows.

    Raises:
        UserError: of all columns of which they have; what to type.
    """
    problems = list[str | None]()
    for name in map(str, written):
        texts = written[name].iloc[training].drop_duplicates()
        texts = texts_of(texts[present(texts, table.text.markers_among_numbers)])
        problems.append(_problem(texts, columns[name], table, roles.date_format))
    for column in fitted:
        others = [category for category in columns[column.name].codes if category not in column.codes]
        if others and column.name not in roles.categorical:
            problems.append(_problem_of_category(column, others[0], table, roles.date_format))
    if told := [f"{table.name}, training rows: {problem}" for problem in problems if problem]:
        raise UserError("\n".join(told))


def _problem(texts: pd.Series, column: Column, table: TableFile, date_format: str | None) -> str | None:
    """What is wrong, where these different texts alone would not be read as they are with others."""
    if column.kind == "date":
        typed = dates.shown(column.date_format or date_format or dates.ISO)
    else:
        typed = marking(column.name, column.number_format.decimal if column.number_format else table.text.mark)
    problem = None
    for some in (texts[:: len(texts) // SOME + 1], texts):
        try:
            alone = column_of(some, table.text, date_format, table.of_file, lambda said: None)
        except UserError as error:
            problem = f"{error} Rows for val or test look like {typed}."
            continue
        readings = [values_in(some, way, table.text, date_format) for way in (alone, column)]
        # A few amounts, such as 3 km and 5 km, are amounts where others say so.
        if not len(some) or alone.kind == "category" or np.array_equal(*readings, equal_nan=True):
            return None
        problem = f"{column.name} is read otherwise without rows for val and test. If these are right, say {typed}."
    return problem


def _problem_of_category(column: Column, other: str, table: TableFile, date_format: str | None) -> str | None:
    """What is wrong, where all categories of the training rows are numbers or dates; `other` is one of other rows."""
    texts = pd.Series(list(column.codes), name=column.name, dtype=str)
    try:
        alone = column_of(texts, table.text, date_format, table.of_file, lambda said: None)
    except UserError:
        return None  # what is asked there is nothing to categories
    if alone.kind not in ("number", "date") or np.isnan(values_in(texts, alone, table.text, date_format)).any():
        return None
    return (
        f"{column.name} is a {alone.kind}, but rows for val or test hold {other!r}. If it stands for a missing value, "
        f"say {listing('missing_values', [other])}. If the column holds categories, say "
        f"{listing('categorical', [column.name])}."
    )
