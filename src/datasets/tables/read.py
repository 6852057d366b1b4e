"""What the config says about a table -> a Dataset of it."""

from __future__ import annotations

import os
from typing import Literal

from src.console.messages import UserError
from src.console.screen import notice
from src.datasets.tables.columns.dates import check_format
from src.datasets.tables.files.file import check_names
from src.datasets.tables.files.open import check_options, open_table
from src.datasets.tables.roles import Roles
from src.datasets.tables.table import Table
from src.datasets.tables.text_format import TextFormat, as_text
from src.files.cache import cache_folder

LARGE = 2**28  # bytes: larger tables are read from disk


def read_table(
    path: str,
    target: str | list[str],
    *,
    val_path: str | None,
    test_path: str | None,
    split_column: str | None,
    group_column: str | None,
    drop: list[str],
    categorical: list[str],
    date_format: str | None,
    missing: Literal["drop", "impute"] | None,
    shape: list[int] | None,
    separator: str | None,
    decimal: str | dict[str, str] | None,
    encoding: str | None,
    max_line: int,
    in_memory: bool | None,
    cache: str | None,
    missing_values: list[str | float] | None = None,
    describe: bool = False,
    query: str | None = None,
    header: int | None = None,  # as these, of runs from before it was there
    sheet: str | None = None,
) -> Table:
    """Read CSV, TSV (gzipped too), Parquet or Excel files, or a database: x float32 (N, F), or (N, *shape), and y.

    Columns of numbers, booleans, dates and categories become features as `encoding.encode` says.

    Args:
        path: a file, an http(s) address, or that of a database, such as sqlite:///x.db.
        target: column of y; several are several values or labels, y (N, K).
        val_path, test_path: files with the rows of these splits.
        split_column: says train, val or test for each row.
        group_column: rows that have the same there stay in one split.
        drop: columns that are left out.
        categorical: columns of numbers that stand for categories.
        date_format: of dates in texts, as in strptime; None: it is found by looking.
        missing: drop rows with missing values, or impute (the training rows' mean, and a feature that says so; a
            missing category counts as one more); None: they are refused. Rows without a target are left out in both
            cases.
        separator, decimal, encoding: of a text file; None: found by looking; decimal {column: mark}: of some columns.
        header: which line of a text file, or row of an Excel file, holds the names, from 1; None: found by looking.
        sheet: of an Excel file; None: the first.
        max_line: bytes of a line of a text file; a longer one is refused, before it fills the memory.
        in_memory: None: if the files have up to 256 MB; else they are converted to a file in `cache`, and read there.
        cache: None: the user's own.
        missing_values: texts and numbers that stand for a missing value, beside the usual ones; None, of a run from
            before there were such: pandas' own alone.
        describe: the table is looked at, not learnt from: missing values are refused in no case.
        query: the rows of a database, of which `path` is the address.

    Raises:
        UserError: no table in a file, or one that cannot be learnt from: where, and what to type.
    """
    targets = [target] if isinstance(target, str) else list(target)
    if not targets:
        raise UserError("target=[]: name a column.")
    if split_column and (val_path or test_path):
        raise UserError("split_column= and val_path= or test_path=: only one of them can say what is for what.")
    if header is not None and header < 1:
        raise UserError(f"header={header}: the first line is 1.")
    if date_format is not None:
        check_format(date_format)
    markers = None if missing_values is None else list(map(as_text, missing_values))
    text = TextFormat(
        separator, decimal, encoding, max_line, markers, none_is_missing=False, header=header, sheet=sheet
    )
    paths = {"train": ("path", path), "val": ("val_path", val_path), "test": ("test_path", test_path)}
    for key, place in (paths["val"], paths["test"]):
        if place is not None and os.path.realpath(place) == os.path.realpath(path):
            notice(f"{key}={place} is the file of path= too: a score on rows that were learnt says nothing of others.")
    tables = {
        split: open_table(place, text, key, cache, query) for split, (key, place) in paths.items() if place is not None
    }
    check_options(
        list(tables.values()), separator=separator, encoding=encoding, header=header, sheet=sheet, query=query
    )
    if isinstance(decimal, dict):
        check_names(tables["train"], decimal=list(decimal))
    if in_memory is None:
        in_memory = sum(table.bytes() for table in tables.values()) <= LARGE
    if not in_memory and "://" in path and not path.startswith("http"):
        raise UserError("in_memory=false: a query may find other rows each time, so they are held in memory.")
    missing = missing or ("impute" if describe else None)
    roles = Roles(targets, group_column, split_column, list(drop), list(categorical), date_format, missing)
    return Table(tables, roles, query, shape, None if in_memory else cache_folder(cache))
