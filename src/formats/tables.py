"""A table written part by part to a file, which is there when it is whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from src.console.extras import need
from src.console.messages import UserError
from src.files.atomic import written_whole
from src.files.place import check_place

if TYPE_CHECKING:
    import pandas as pd

Write = Callable[["pd.DataFrame"], None]


@contextmanager
def table_written_whole(path: Path, source: Path) -> Iterator[Write]:
    """Inside it `write(frame)` adds rows; `path` has them all once it ends well, and is as it was before if not.

    Raises:
        UserError: an ending that is none of WRITERS, or a place that cannot be written to.
    """
    check_place(f"-o {path}", path, *WRITERS)
    if path.exists() and source.exists() and path.samefile(source):
        raise UserError(f"-o {path} is the input itself. Choose another file.")
    if path.suffix == ".parquet":
        need(f"-o {path}", "pyarrow", "parquet")
    try:
        with written_whole(path) as partial, partial.open("wb") as file, WRITERS[path.suffix](file) as write:
            yield write
    except OSError as error:
        raise UserError(f"-o {path} cannot be written: {error.strerror or error}.") from error


@contextmanager
def _csv(file: IO[bytes]) -> Iterator[Write]:
    """Lines as `to_csv` writes them, which takes three times as long where no field needs quotes."""

    def write(frame: pd.DataFrame) -> None:
        is_first = file.tell() == 0
        lines = None if is_first else _without_quotes(frame)
        if lines is None:
            frame.to_csv(file, index=False, header=is_first)
        else:
            file.write(lines.encode())

    yield write


def _without_quotes(frame: pd.DataFrame) -> str | None:
    """A line for each row; None if a field needs quotes, or is neither a text nor a float."""
    fields = [_texts(column) for _, column in frame.items()]
    if len(fields) == 1 or None in fields:
        return None
    lines = "".join(f"{','.join(row)}\n" for row in zip(*fields, strict=True))
    expected = {",": len(frame) * len(fields[1:]), "\n": len(frame), '"': 0, "\r": 0}
    return lines if all(lines.count(mark) == count for mark, count in expected.items()) else None


def _texts(column: pd.Series) -> Any:
    """A list; None if they are neither texts nor floats."""
    from pandas.api.types import infer_dtype

    if column.dtype.kind == "f":
        return ["" if value != value else str(value) for value in column.array]
    return column.tolist() if infer_dtype(column, skipna=False) == "string" else None


@contextmanager
def _jsonl(file: IO[bytes]) -> Iterator[Write]:
    """A line of JSON for each row, numbers as numbers."""

    def write(frame: pd.DataFrame) -> None:
        for record in frame.to_dict("records"):
            record = {name: None if value != value else value for name, value in record.items()}  # nan is no JSON
            file.write(f"{json.dumps(record, ensure_ascii=False, default=str)}\n".encode())

    yield write


@contextmanager
def _parquet(file: IO[bytes]) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writers: list[Any] = []

    def write(frame: pd.DataFrame) -> None:
        if not writers:
            writers.append(pq.ParquetWriter(file, pa.Schema.from_pandas(frame, preserve_index=False)))
        writers[0].write_table(pa.Table.from_pandas(frame, writers[0].schema, preserve_index=False))

    try:
        yield write
    finally:
        for writer in writers:
            writer.close()


WRITERS = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
