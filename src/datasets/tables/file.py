"""A table in a file, in chunks of rows: CSV and TSV, gzipped too, and Parquet."""

from __future__ import annotations

import gzip
import re
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlparse

import pandas as pd

from src.console.extras import need
from src.console.messages import nearest
from src.files.cache import cache_folder

MISSING = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
]  # fmt: skip
"""What stands for a missing value in a text file: pandas' own list, the same in every version."""


class TableFile:
    """The columns and rows of a file, which is opened anew for each reading.

    Args:
        path: of the file, or the http(s) address from which it is downloaded, once, to `cache`.
        separator: between the fields of a text file; None: a tab in .tsv, else a comma.
        decimal: the mark in front of the decimals of a text file.
        encoding: of a text file.
        key: what the user typed `path` for; "" for a file that a finished run is to answer.

    Raises:
        ValueError: no such file, or no table in it.
    """

    def __init__(
        self,
        path: str,
        separator: str | None = None,
        decimal: str = ".",
        encoding: str = "utf-8",
        key: str = "data.path",
        cache: str | None = None,
    ) -> None:
        self.said = f"{key}={path}" if key else path
        self.key, self.decimal, self.encoding = key, decimal, encoding
        address = urlparse(path)
        is_address = address.scheme in ("http", "https")
        self.name = Path(address.path if is_address else path).name
        self.path = _downloaded(path, cache) if is_address else Path(path).expanduser()
        if not self.path.is_file():
            folder = f" but a folder. Name a file in it: {key or 'path'}={path}/..." if self.path.is_dir() else "."
            raise ValueError(f"{self.said} is not a file{folder}")
        kind = self.name.lower().removesuffix(".gz")
        self.is_gzip, self.is_parquet = self.name.lower().endswith(".gz"), kind.endswith((".parquet", ".pq"))
        if separator is not None and len(separator.replace("\\t", "\t")) != 1:
            raise ValueError(f"data.separator={separator!r}: one character is needed.")
        self.separator = separator.replace("\\t", "\t") if separator else "\t" if kind.endswith(".tsv") else ","
        if self.is_parquet:
            need(self.said, "pyarrow", "parquet")
        self.columns = self._parquet_columns() if self.is_parquet else self._header()

    def chunks(
        self, size: int | None, texts: Iterable[str] | None = (), as_written: bool = False
    ) -> Iterator[tuple[pd.DataFrame, float]]:
        """Chunks of about `size` bytes (None: all in one), and the share of the file that has been read, 0 to 1.

        Numbers and booleans are of such a dtype where a column's chunk holds nothing else, but for the columns
        `texts` (None: all). `as_written`: every field is a text, also a missing one.
        """
        rows = 2**31 if size is None else max(1, int(size / self._bytes_per_row()))
        return self.rows(rows, texts, as_written)

    def rows(
        self, rows: int, texts: Iterable[str] | None = (), as_written: bool = False
    ) -> Iterator[tuple[pd.DataFrame, float]]:
        """`chunks` of that many rows."""
        if self.is_parquet:
            return self._parquet(rows)
        types: Any = object if as_written else str if texts is None else dict.fromkeys(texts, str)
        missing = {"na_filter": False} if as_written else {"na_values": MISSING, "keep_default_na": False}
        return self._csv(chunksize=rows, dtype=types, low_memory=False, index_col=False, **missing)

    def bytes(self) -> int:
        """About how many the table has, uncompressed."""
        if self.is_parquet:
            metadata = self._parquet_file().metadata
            return sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
        return self.path.stat().st_size * (4 if self.is_gzip else 1)

    def _bytes_per_row(self) -> float:
        if self.is_parquet:
            return max(1, self.bytes()) / max(1, self._parquet_file().metadata.num_rows)
        with self.path.open("rb") as raw, gzip.open(raw) if self.is_gzip else raw as file:
            start = file.read(2**20)
        return len(start) / (start.count(b"\n") + 1)

    def _header(self) -> list[str]:
        """The names in the first line; `Unnamed: 2` for a third one that is empty."""
        first = next(self._csv(header=None, chunksize=1, dtype=str, na_filter=False), None)
        if first is None:
            raise ValueError(f"{self.said} is empty.")
        names = first[0].iloc[0].tolist()
        if len(names) == 1:
            other = next((s for s in ";\t|," if s in names[0] and s != self.separator), None)
            if other:
                raise ValueError(
                    f"{self.said} has one column, {names[0]!r}: are its fields not separated by {self.separator!r}?"
                    + (f" Say data.separator='{other}'.".replace("\t", "\\t") if self.key else " The run's were.")
                )
        twice = sorted({name for name in names if name and names.count(name) > 1})
        if twice:
            raise ValueError(f"{self.said}: two columns are named {', '.join(twice)}. Each needs a name of its own.")
        return [name or f"Unnamed: {i}" for i, name in enumerate(names)]

    def _csv(self, **options: Any) -> Iterator[tuple[pd.DataFrame, float]]:
        size = max(1, self.path.stat().st_size)
        with self.path.open("rb") as raw, gzip.open(raw) if self.is_gzip else raw as file:
            reader = self._told(
                lambda: pd.read_csv(
                    cast(Any, file),
                    sep=self.separator,
                    decimal=self.decimal,
                    encoding=self.encoding,
                    engine="c",
                    **options,
                )
            )
            while reader and (chunk := self._told(lambda: next(reader, None))) is not None:
                yield chunk, raw.tell() / size

    def _told(self, read: Callable[[], Any]) -> Any:
        """`read()`, its errors in the user's words; None for an empty file."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)
                return read()
        except pd.errors.EmptyDataError:
            return None
        except pd.errors.ParserWarning as error:
            raise ValueError(f"{self.said}: row 1 has more fields than the header has names.") from error
        except (UnicodeError, LookupError) as error:
            with self.path.open("rb") as raw:
                is_utf_16 = raw.read(2) in (b"\xff\xfe", b"\xfe\xff")
            other = "utf-16" if is_utf_16 else "latin-1" if self.encoding == "utf-8" else "utf-8"
            hint = f" Try data.encoding={other}." if self.key else ""
            raise ValueError(f"{self.said} is no text in data.encoding={self.encoding}.{hint}") from error
        except (ValueError, OSError, EOFError, zlib.error) as error:  # pandas' own errors are ValueErrors
            ragged = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
            if ragged:
                names, line, fields = map(int, ragged.groups())
                raise ValueError(
                    f"{self.said}: row {line - 1} has {fields} fields, but the header has {names} names. "
                    f"A text that holds {self.separator!r} must stand in quotes."
                ) from error
            raise ValueError(f"{self.said} cannot be read as CSV: {str(error).strip()}") from error

    def _parquet_file(self) -> Any:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile

        try:
            return ParquetFile(self.path)
        except (ArrowException, OSError) as error:
            raise ValueError(f"{self.said} cannot be read as Parquet: {error}") from error

    def _parquet_columns(self) -> list[str]:
        """All but the index that pandas stores beside the columns."""
        return [n for n in self._parquet_file().schema_arrow.names if not n.startswith("__index_level_")]

    def _parquet(self, rows: int) -> Iterator[tuple[pd.DataFrame, float]]:
        file, done = self._parquet_file(), 0
        for batch in file.iter_batches(batch_size=rows, columns=self.columns):
            done += len(batch)
            yield batch.to_pandas(ignore_metadata=True, date_as_object=False), done / file.metadata.num_rows


def _downloaded(address: str, cache: str | None) -> Path:
    from src.files.download import download

    return download(address, cache_folder(cache) / "downloads")


def check_names(table: TableFile, **options: str | list[str] | None) -> None:
    """See that each column that `options` name, such as target="y", is in the table.

    Raises:
        ValueError: one is not; its key, and the names that come nearest.
    """
    for option, names in options.items():
        for name in [names] if isinstance(names, str) else names or []:
            if name not in table.columns:
                some = ", ".join(table.columns[:20]) + (", ..." if len(table.columns) > 20 else "")
                hint = nearest(name, table.columns) or f" It has: {some}."
                raise ValueError(f"data.{option}={name!r} is not a column of {table.name}.{hint}")
