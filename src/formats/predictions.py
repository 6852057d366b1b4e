"""Predictions in a table beside their inputs, or in a folder with a file for each; there when it is whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.console.messages import UserError
from src.files.atomic import written_whole
from src.formats.tables import table_written_whole

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

WritePredictions = Callable[["pd.DataFrame", "Tensor", "Tensor", "dict[str, Any]"], None]


@contextmanager
def predictions_written_whole(path: Path, source: Path, task: Any) -> Iterator[WritePredictions]:
    """Inside it `write(rows, x, predictions, more)` adds those for some inputs; `path` has all once it ends well.

    `more` are columns to stand behind the predictions, where these are columns.

    Args:
        path: a table's file; of a task with a `file_ending`, a folder.
        source: of the inputs, which is not to be written over.
        task: says how predictions become columns or files: a Task, or a module of the user's own with such methods.

    Raises:
        UserError: a place that cannot be written to, or inputs that hold predictions already.
    """
    ending = getattr(task, "file_ending", None)
    if ending is not None:
        with _folder_written_whole(path, ending) as folder:
            yield lambda rows, x, predictions, more: _save(rows, predictions, task, folder, ending)
    else:
        with table_written_whole(path, source) as write:
            yield lambda rows, x, predictions, more: write(_beside(rows, {**task.columns(predictions, x), **more}))


@contextmanager
def _folder_written_whole(path: Path, ending: str) -> Iterator[Path]:
    if path.exists() or not path.parent.is_dir() or path.suffix:
        reason = "exists already" if path.exists() else f"each prediction is a {ending} file"
        raise UserError(f"-o {path}: {reason}. Name a new folder, in one that exists.")
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"-o {path}: the folder {path.parent} cannot be written to.")
    with written_whole(path) as partial:
        partial.mkdir()
        yield partial


def _save(rows: pd.DataFrame, predictions: Tensor, task: Any, folder: Path, ending: str) -> None:
    """A file for each prediction, called as its input's file, or by its row."""
    for name, prediction in zip(rows[rows.columns[0]], predictions, strict=True):
        file = folder / Path(str(name)).with_suffix(ending)
        if file.exists():
            raise UserError(f"{name} and another input differ in their ending only: both would be {file.name}.")
        file.parent.mkdir(parents=True, exist_ok=True)
        task.save(prediction, file)


def _beside(rows: pd.DataFrame, columns: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    twice = [name for name in columns if name in rows]
    if twice:
        raise UserError(f"The input has a column {twice[0]} already: it looks like predictions. Leave that column out.")
    return pd.concat([rows.reset_index(drop=True), pd.DataFrame(columns)], axis=1)
