"""A table in a text file: CSV, TSV and their like, gzipped too."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import warnings
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from io import BufferedReader, RawIOBase, TextIOWrapper
from pathlib import Path
from typing import IO, Any

import pandas as pd

from src.console.messages import UserError, first_line
from src.console.screen import notice
from src.datasets.tables.files.file import Chunks, TableFile, check_header
from src.datasets.tables.files.sniffing import (
    SEPARATORS,
    START,
    decimal_of,
    encoding_of,
    lines_above,
    numbered,
    other_kind,
    parted,
    separator_of,
    width_of,
)
from src.datasets.tables.text_format import TextFormat


class CsvFile(TableFile):
    """
    Args:
        hints: errors say which parameter to give; not for a file that a finished run is to answer.

    Raises:
        UserError: no text, no columns, or two of one name.
    """

    def __init__(self, path: Path, name: str, as_typed: str, text: TextFormat, hints: bool) -> None:
        super().__init__(path, name, as_typed, text)
        self.hints = hints
        self.is_gzip = name.lower().endswith(".gz")
        start = self._start()
        if text.encoding is None and (kind := other_kind(start)):
            raise UserError(f"{as_typed} is {kind}.")
        self.encoding = self._looked_at(encoding_of) if text.encoding is None else text.encoding
        lines = self.first_lines = self._first_lines(start)
        said = text.separator and text.separator.replace("\\t", "\t")
        if said is not None and len(said) != 1:
            raise UserError(f"separator={text.separator!r}: one character is needed.")
        self.above = lines_above(lines, said or SEPARATORS) if text.header is None else text.header - 1
        lines = self.beginning = lines[self.above :]
        self.usual = "\t" if name.lower().removesuffix(".gz").endswith(".tsv") else ","
        self.separator = said or separator_of(lines, self.usual)
        self.columns = self._header()
        if not isinstance(text.decimal, str):
            self._look_at_decimals(parted(lines, self.separator)[1:])
        self._tell()

    def _piped(self, command: str) -> str:
        """What to type to have the file changed."""
        return f"{'zcat' if self.is_gzip else 'cat'} {shlex.quote(str(self.path))} | {command} > table.csv"

    def _looked_at(self, look: Callable[[Any], Any]) -> Any:
        """What `look` finds in the bytes of the file."""
        with self.path.open("rb") as raw, gzip.open(raw) if self.is_gzip else raw as file:
            return look(file)

    def _start(self) -> bytes:
        """The beginning of the file; nothing where it cannot be read."""
        try:
            return self._looked_at(lambda file: file.read(START))
        except (OSError, EOFError, zlib.error):
            return b""

    def _first_lines(self, start: bytes) -> list[str]:
        """All but the last, which may be cut off; nothing where they cannot be read."""
        try:
            lines = start.decode(self.encoding, errors="replace").splitlines(keepends=True)
        except LookupError:
            return []
        return lines[:-1] if len(start) == START else lines

    def _look_at_decimals(self, rows: list[list[str]]) -> None:
        """What a finished run has found stays where the values leave a doubt."""
        seen, unclear = decimal_of(rows)
        self.of_file = seen or (";" if self.separator == ";" else None)
        if seen and not (unclear and self.text.seen_decimal):
            self.text = replace(self.text, seen_decimal="," if seen == "," else None)
        if self.of_file in (",", ";"):
            self.unclear = [self.columns[place] for place in unclear if place < len(self.columns)]

    def _tell(self) -> None:
        """Say what was found by looking, where it is not the usual."""
        found = {
            f"header={self.above + 1}": self.text.header is None and self.above > 0,
            f"separator={self.separator!r}": self.text.separator is None and self.separator != self.usual,
            "decimal=','": self.of_file == self.text.seen_decimal == ",",
            f"encoding={self.encoding}": self.text.encoding is None and self.encoding != "utf-8",
        }
        if any(found.values()):
            notice(f"{self.name}: {', '.join(what for what, is_found in found.items() if is_found)}, by its looks.")

    def line_of(self, name: str) -> int | None:
        for separator in [self.separator, *SEPARATORS, " "]:
            for number, fields in zip(*numbered(self.first_lines, separator), strict=False):
                if number != self.above and name in fields:
                    return number + 1
        return None

    def rows(self, count: int, texts: Iterable[str] | None = (), as_written: bool = False) -> Chunks:
        types: Any = object if as_written else str if texts is None else dict.fromkeys(texts, str)
        missing = {"na_filter": False} if as_written else {"na_values": self.text.markers, "keep_default_na": False}
        return self._read(chunksize=count, dtype=types, low_memory=False, index_col=False, **missing)

    def bytes(self) -> int:
        size = self.path.stat().st_size
        if not self.is_gzip or size < 4:
            return size
        with self.path.open("rb") as raw:
            raw.seek(-4, os.SEEK_END)
            said = int.from_bytes(raw.read(), "little")  # without what is beyond 4 GiB, and of the last part alone
        return max(4 * size, said)

    def bytes_per_row(self) -> float:
        with self.path.open("rb") as raw, gzip.open(raw) if self.is_gzip else raw as file:
            start = file.read(2**20)
        return len(start) / (start.count(b"\n") + 1)

    def _header(self) -> list[str]:
        """The names in the first line; `Unnamed: 2` for a third one that is empty."""
        first = next(self._read(header=None, chunksize=1, dtype=str, na_filter=False), None)
        if first is None:
            raise UserError(f"{self.as_typed} {f'has no line {self.above + 1}' if self.above else 'is empty'}.")
        names = first[0].iloc[0].tolist()
        if len(names) == 1:
            self._check_separator(names[0])
        return check_header(names, self.as_typed)

    def _check_separator(self, line: str) -> None:
        """Raise UserError if the header, of one name, looks as if it held several."""
        rare = [s for s in " ^~:" if self.hints and width_of(self.beginning, s) > 1]
        other = next((s for s in [*";\t|,", *rare] if s in line and s != self.separator), None)
        if other:
            hint = f"Say separator='{other}'.".replace("\t", "\\t") if self.hints else "The run's were."
            raise UserError(
                f"{self.as_typed} has one column, {line!r}: are its fields not separated by {self.separator!r}? {hint}"
            )

    def _read(self, **options: Any) -> Chunks:
        size = max(1, self.path.stat().st_size)
        text = {
            "sep": r"\s+" if self.separator == " " else self.separator,
            "decimal": self.text.mark,
            "encoding": self.encoding,
        }
        with self.path.open("rb") as raw, gzip.open(raw) if self.is_gzip else raw as file:
            lines: Any = BufferedReader(BoundedLines(file, self.text.max_line, self.as_typed), 2**16)
            if self.above:
                lines = self._with_clear_errors(lambda: below(lines, self.above, self.encoding))
            reader = self._with_clear_errors(lambda: pd.read_csv(lines, engine="c", **text, **options))
            while reader and (chunk := self._with_clear_errors(lambda: next(reader, None))) is not None:
                yield chunk, raw.tell() / size
                del chunk  # before the next is read

    def _with_clear_errors(self, read: Callable[[], Any]) -> Any:
        """`read()`, its errors in the user's words; None for an empty file."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)
                return read()
        except UserError:
            raise
        except pd.errors.EmptyDataError:
            return None
        except pd.errors.ParserWarning as error:
            raise UserError(
                f"{self.as_typed}: row 1 has more fields than the header has names.{self._names_of_rows()}"
            ) from error
        except (UnicodeError, LookupError) as error:
            raise UserError(
                f"{self.as_typed} is no text in encoding={self.encoding}.{self._other_encoding()}"
            ) from error
        except (ValueError, OSError, EOFError, zlib.error) as error:  # pandas' own errors are ValueErrors
            raise UserError(f"{self.as_typed}{self._reason(error)}") from error

    def _names_of_rows(self) -> str:
        """What to type where each row has a field more than the header."""
        header, *rows = map(len, parted(self.beginning, self.separator))
        if any(fields != header + 1 for fields in rows):
            return ""
        named = self._piped(f"sed '1s/^/row{self.separator}/'")
        return f" If the first field is the row's name, as R writes it, name that too: {named}"

    def _other_encoding(self) -> str:
        with self.path.open("rb") as raw:
            is_utf_16 = raw.read(2) in (b"\xff\xfe", b"\xfe\xff")
        return f" Try encoding={'utf-16' if is_utf_16 else 'latin-1' if self.encoding == 'utf-8' else 'utf-8'}."

    def _reason(self, error: Exception) -> str:
        ragged = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if not ragged:
            return f" cannot be read as CSV: {first_line(error)}."
        names, line, fields = map(int, ragged.groups())
        return (
            f": row {line - 1} has {fields} fields, but the header has {names} names. "
            f"A text that holds {self.separator!r} must stand in quotes."
        )


class BoundedLines(RawIOBase):
    """The bytes of `file`. Raises UserError at a line of more than `most`, before it fills the memory."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile, most: int, as_typed: str) -> None:
        self.file, self.most, self.as_typed = file, most, as_typed
        self.lines, self.length = 1, 0  # begun so far; bytes of the last one

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        content = self.file.read(len(room))
        room[: len(content)] = content
        end = max(content.rfind(b"\n"), content.rfind(b"\r"))
        self.lines += content.count(b"\n")
        self.length = len(content) - 1 - end + (self.length if end < 0 else 0)
        if self.length > self.most:
            raise UserError(
                f"{self.as_typed}: line {self.lines} has more than max_line={self.most} bytes. Is it a table, with a "
                "line for each row? If so, raise max_line=."
            )
        return len(content)


def below(file: IO[bytes], above: int, encoding: str) -> IO[str]:
    """The text of a file but for so many lines. pandas would leave out too many of those in which a quote is open."""
    text = TextIOWrapper(file, encoding, newline="")
    for _ in range(above):
        text.readline()
    return text
