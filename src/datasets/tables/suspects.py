"""What looks as if it should not be learnt from: an ID, names, what gives the target away, copies, a row of totals."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from src.console.messages import UserError, listed
from src.console.screen import notice
from src.datasets.tables.columns.column import Column
from src.datasets.tables.columns.fields import is_total
from src.datasets.tables.leaks import FEW, gives_away
from src.datasets.tables.roles import Roles
from src.datasets.tables.typed import dropping, naming

LEAST, MOST = 30, 5000  # rows that are looked at
WIDE = 2000  # columns: so many are not looked at
ID_NAME = re.compile(r"(.*[\W_])?(id|nr|no|number|index|key|uuid)|.*[a-z]I[dD]|Unnamed: 0", re.IGNORECASE)
GROUP_NAME = re.compile(r"(.*[\W_])?(id|uuid|subject|patient|person|customer|user)|.*[a-z]I[dD]", re.IGNORECASE)
MOST_OF_ONE = 20  # rows
TIME_NAME = re.compile(r"(.*[\W_])?(year|date|time|month|week|day|hour|period|t)", re.IGNORECASE)
LOOKED_AT = 20  # texts, for dates among them
MONTH = (
    r"\b(jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sept?(ember)?|(octo|novem|decem)ber|oct|nov"
    r"|dec)"
)
DATED = re.compile(  # with a year, or a month, and another number
    rf"\d.*\b(19|20)\d\d\b|\b(19|20)\d\d\b.*\d|\d(st|nd|rd|th)?\W+{MONTH}\b|{MONTH}\W*\d", re.IGNORECASE
)
COPIED = 0.1  # of the rows of val and test


def tell_suspects(
    columns: Sequence[Column],
    rows: np.ndarray,
    training: np.ndarray,
    y: np.ndarray,
    is_class: bool,
    roles: Roles,
) -> None:
    """A notice for each column that looks like an ID, or from which y follows; nothing is left out.

    Args:
        rows: (N, columns), in the order of the file.
        training: those of training alone.
        y: of these, (N, K) values or labels, or (N,) class numbers.
    """
    if len(training) < LEAST or len(columns) > WIDE or (is_class and not np.ptp(y)):
        return
    found = list[str]()
    for column, every, values in zip(columns, rows.T, training.T, strict=True):
        if column.kind == "number" and _is_id(column.name, every):
            found.append(column.name)
            notice(
                f"{column.name}: another whole number in every row, as an ID has. If it is one, leave it out: "
                f"{dropping([*roles.drop, column.name])}"
            )
        elif roles.group_column is None and _is_group(column.name, every):
            notice(
                f"{column.name}: {len(np.unique(every))} different ones in {len(every)} rows. If the rows of one "
                f"belong together, keep them in one split: {naming('group_column', column.name)}"
            )
        elif gives_away(column, values, y, is_class):
            found.append(column.name)
            notice(
                f"{column.name}: {', '.join(roles.target)} follows from it alone. If it would not be known beforehand, "
                f"leave it out: {dropping([*roles.drop, column.name])}"
            )
    if len(found) > 1:
        notice(f"To leave all of these out: {dropping([*roles.drop, *found])}")


def refuse_names(
    columns: Sequence[Column], rows: int, where: str, drop: Sequence[str], most: float | None = None
) -> None:
    """Raise UserError for columns of texts, of which hardly any comes twice: names, or notes.

    Args:
        drop: columns that are left out already.
        most: how many different ones are not too many; None: half as many as there are rows, or 20.
    """
    most = max(20, rows // 2) if most is None else most
    found = [column for column in columns if column.kind == "category" and len(column.categories) > most]
    if not found:
        return
    names = [column.name for column in found]
    texts = list(found[0].categories)[:LOOKED_AT]
    is_dated = any(DATED.search(text) for text in texts)
    dated = " If they are dates, say how they are written, as in date_format=%d.%m.%Y." if is_dated else ""
    have = f"has {len(found[0].categories)}" if len(found) == 1 else f"have more than {most:.0f}"
    raise UserError(
        f"{where}: {listed(names)} {have} different texts in {rows} rows, too many to learn from. "
        f"Leave {'it' if len(found) == 1 else 'them'} out: {dropping([*drop, *names])}.{dated}"
    )


def tell_copies(rows: np.ndarray, y: np.ndarray, is_training: np.ndarray) -> None:
    """A notice if many rows of val and test are those of training again, as in a file that was put together twice.

    Args:
        rows: (N, columns).
        y: of these, (N, K) or (N,).
        is_training: (N,).
    """
    if len(rows) < LEAST or rows.shape[1] > WIDE:
        return
    values = np.column_stack([rows, y])
    marks = _marks(values)
    others, copies = int((~is_training).sum()), _copies(marks, is_training)
    if copies < FEW or copies <= COPIED * others:
        return
    different = len(np.unique(marks))
    are_telling = any(len(np.unique(column)) > different / 2 for column in values.T)
    if are_telling and copies > 2 * _copies_by_chance(values, is_training):
        notice(
            f"{copies} of {others} rows of val and test are rows of training again, in every value: what is known "
            "already scores too well. If they are copies, remove them from the file."
        )


def _marks(rows: np.ndarray) -> np.ndarray:
    """The same number for rows that are alike, (N,)."""
    return pd.util.hash_pandas_object(pd.DataFrame(rows), index=False).to_numpy()


def _copies(marks: np.ndarray, is_training: np.ndarray) -> int:
    """How many other rows are rows of training too."""
    return int(np.isin(marks[~is_training], marks[is_training]).sum())


def _copies_by_chance(values: np.ndarray, is_training: np.ndarray) -> int:
    """The most of three times, each column shuffled: rows of few categories, or rounded numbers, are alike so too."""
    random = np.random.default_rng(0)
    shuffled = (np.column_stack([random.permutation(column) for column in values.T]) for _ in range(3))
    return max(_copies(_marks(rows), is_training) for rows in shuffled)


def tell_alike(name: str, texts: Sequence[str], kind: str) -> None:
    """A notice if texts that differ in capitals or blanks alone are different categories, or classes: their `kind`."""
    alike: dict[str, list[str]] = {}
    for text in texts:
        alike.setdefault("".join(text.casefold().split()), []).append(text)
    if found := next((several for several in alike.values() if len(several) > 1), None):
        notice(
            f"{name}: {' and '.join(map(repr, found[:3]))} are different {kind}. If they mean the same, write them "
            "alike in the file."
        )


def tell_totals(last: pd.Series, where: str) -> None:
    """A notice if the last row of a table looks like the sum of the others, or like a note below them."""
    texts = [text for text in last if isinstance(text, str) and is_total(text)]
    if texts:
        notice(f"{where}: its last row, {texts[0]!r}, looks like one of totals. If it is, remove it from the file.")
    elif len(last) > 2 and isinstance(last.iloc[0], str) and last.iloc[1:].isna().all():
        notice(f"{where}: its last row holds {last.iloc[0]!r} alone. If it is a note, remove it from the file.")


def _is_id(name: str, values: np.ndarray) -> bool:
    """Whole numbers, all different, that leave few out, or are called so; but no years and their like."""
    if np.isnan(values).any() or (values % 1 != 0).any() or len(np.unique(values)) < len(values):
        return False
    if TIME_NAME.fullmatch(name) or (values.min() >= 1800 and values.max() <= 2100):
        return False
    return bool(np.ptp(values) < 3 * len(values) or ID_NAME.fullmatch(name))


def _is_group(name: str, values: np.ndarray) -> bool:
    """Called as what has an ID is, which comes several times, each some rows."""
    different = len(np.unique(values)) if GROUP_NAME.fullmatch(name) and not np.isnan(values).any() else 0
    return FEW < different <= len(values) / 2 and different >= len(values) / MOST_OF_ONE
