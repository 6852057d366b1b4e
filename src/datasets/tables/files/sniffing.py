"""How a text file is written, found by looking at its beginning: encoding, separator, decimal mark."""

from __future__ import annotations

import codecs
import csv
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import IO, Any

from src.datasets.tables.columns.number_texts import Marks, matched

BEGINNING = 4096  # bytes that show whether it is a text, which has none below 9, or hardly any
START = 2**18  # bytes that show the separator and the decimal mark
DECODED = 2**26  # bytes that are looked at for an encoding
BLOCK = 2**20
BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
SEPARATORS = ";\t|,"
BINARY = {
    b"PK": "a zip archive. Unpack it, and name the file that was in it",
    b"\x1f\x8b": "compressed by gzip. Let its name end in .gz",
    b"BZh": "compressed. Unpack it: bunzip2",
    b"\xfd7zXZ": "compressed. Unpack it: unxz",
    b"(\xb5/\xfd": "compressed. Unpack it: unzstd",
    b"PAR1": "Parquet. Let its name end in .parquet",
    b"ARROW1": "Feather. Save it as Parquet or CSV",
    b"SQLite": "a database. Name it as sqlite:///FILE",
    b"\x80": "a pickle, which could run any code. Save it as Parquet or CSV",
    b"%PDF": "a PDF. Save its table as CSV",
}  # fmt: skip
"""How files begin that are no texts: what they are, and what to do."""
WRITTEN = {
    b"<!doctype": "a web page. Name the file that it links to, which may be called raw, or download",
    b"<html": "a web page. Name the file that it links to, which may be called raw, or download",
    b'{"': "JSON. Save it as CSV, as pandas.read_json(...).to_csv(...) does",
    b"[{": "JSON. Save it as CSV, as pandas.read_json(...).to_csv(...) does",
}  # fmt: skip
"""The same of texts, in small letters and without blanks."""


def other_kind(start: bytes) -> str | None:
    """What a file is, and what to do, if its beginning is none of a table in a text."""
    if start.startswith(tuple(BOMS)):
        return None
    low = [byte < 9 for byte in start[:BEGINNING]]
    kinds, first = (BINARY, start) if any(low[:1000]) else (WRITTEN, b"".join(start[:100].lower().split()))
    found = next((what for beginning, what in kinds.items() if first.startswith(beginning)), None)
    return found or ("no text. Save it as CSV" if 100 * sum(low) > len(low) else None)


def encoding_of(file: IO[bytes] | Any) -> str:
    """utf-8, or utf-8-sig or utf-16 where a BOM says so; else cp1252, or latin-1 for bytes that are no cp1252."""
    decoder, is_first, seen = codecs.getincrementaldecoder("utf-8")(), True, b""
    for block in _blocks(file):
        if is_first and (bom := next((bom for bom in BOMS if block.startswith(bom)), None)):
            return BOMS[bom]
        is_first, seen = False, block
        try:
            decoder.decode(block)
        except UnicodeDecodeError:
            return "latin-1" if set(seen) & {0x81, 0x8D, 0x8F, 0x90, 0x9D} else "cp1252"
    return "utf-8"


def separator_of(lines: Sequence[str], default: str) -> str:
    """What parts all of these lines into as many fields as the first, two at least; `default` before others."""
    for separator in dict.fromkeys([default, *SEPARATORS]):
        if width_of(lines, separator) > 1:
            return separator
    return default


def parted(lines: Sequence[str], separator: str) -> list[list[str]]:
    """The fields of lines; nothing if they cannot be parted so."""
    if separator == " ":
        lines = [line.strip(" \r\n") for line in lines]  # which several blanks part, and others may surround
    try:
        rows = csv.reader(lines, delimiter=separator, skipinitialspace=separator == " ")
        return [fields for fields in rows if len(fields) > 1 or any(map(str.strip, fields))]
    except csv.Error:
        return []


def width_of(lines: Sequence[str], separator: str) -> int:
    """Into how many fields all of these lines are parted; 0 if they differ in that."""
    widths = {len(fields) for fields in parted(lines, separator)}
    return widths.pop() if len(widths) == 1 else 0


def lines_above(lines: Sequence[str], separators: str = SEPARATORS) -> int:
    """How many lines, such as titles or comments, stand above the header: the first that has as many fields as most.

    They are told from it by their own number of fields, or since only the first of these holds something.
    """
    for separator in separators:
        if width_of(lines, separator) > 1:
            numbers, rows = numbered(lines, separator)
            return numbers[rows_above(rows)]
    for separator in separators:
        numbers, rows = numbered(lines, separator)
        widths = [len(fields) for fields in rows]
        usual = Counter(widths).most_common(1)[0][0] if rows else 0
        if usual > 1:
            start = widths.index(usual)
            is_below = 0 < start < len(rows) - 2 and max(widths[:start]) < usual
            return numbers[start] if is_below and _are_names(rows[start]) else 0
    return 0


def rows_above(rows: Sequence[Sequence[str]]) -> int:
    """How many rows, of which only the first field holds something, as in "Sales 2023;;;", stand above the names."""
    start = next((i for i, fields in enumerate(rows) if any(fields[1:])), 0)
    names = rows[start]
    return start if len(names) > 2 and _are_names(names) else 0


def numbered(lines: Sequence[str], separator: str) -> tuple[list[int], list[list[str]]]:
    """How many lines stand above each row, and its fields; nothing if they cannot be parted so."""
    reader, numbers, rows = csv.reader(lines, delimiter=separator), [0], list[list[str]]()
    try:
        for fields in reader:
            rows.append(fields)
            numbers.append(reader.line_num)
    except csv.Error:
        return [], []
    return numbers, rows


def _are_names(fields: Sequence[str]) -> bool:
    return all(fields) and len(set(fields)) == len(fields) and not any(matched([field]) for field in fields)


def decimal_of(rows: Sequence[Sequence[str]]) -> tuple[str | None, list[int]]:
    """The decimal mark of all columns whose values decide, None if they differ; and the places of those that do not."""
    marks: set[str] = set()
    unclear = []
    for place, texts in enumerate(zip_longest(*rows, fillvalue="")):
        found = matched([text for text in texts if text.strip()])
        column = Marks("")
        for match in found:
            column.add(match["digits"], match[0])
        marks.update(column.decimals)
        if column.either and not column.decimals:
            unclear.append(place)
    return (marks.pop() if len(marks) == 1 else None), unclear


def _blocks(file: IO[bytes] | Any) -> Iterator[bytes]:
    """The beginning of a file, as far as it can be read."""
    try:
        for _ in range(DECODED // BLOCK):
            if not (block := file.read(BLOCK)):
                return
            yield block
    except (OSError, EOFError, zlib.error):
        return
