"""A table that is larger than memory: converted once to rows of numbers in a file, which are read where they lie."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import shutil
import zlib
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from src.console.messages import UserError
from src.console.screen import notice, progress
from src.datasets.tables.columns.column import Column
from src.datasets.tables.columns.kinds import tell_format
from src.datasets.tables.rows import CHUNK, RowReader
from src.files.atomic import written_whole
from src.files.cache import locked, remove_leftovers
from src.files.checksum import file_checksum
from src.files.disk_rows import DiskRows

FILES = ("features.bin", "non_features.bin")


def converted(reader: RowReader, cache: Path) -> tuple[DiskRows, DiskRows, list[int]]:
    """Features (N, F), the other columns (N, M), two files of float64, and their checksums; made if they are not there.

    A conversion that was broken off, or has been damaged since, is made anew; of two at once the second waits for the
    first. Fills in what `reader` knows after it has read.

    Raises:
        UserError: what is wrong with the table, or too little space.
    """
    folder = cache / "tables"
    folder.mkdir(exist_ok=True)
    remove_leftovers(folder)
    place, settled = folder / _key(reader, []), folder / _key(reader, reader.known)
    if reader.known and not _agrees(place, reader.known):
        place = settled
    with locked(place.with_suffix(".lock"), "Another run is converting or checking this table: waiting for it."):
        summary = _checked(reader, place) if place.exists() else None
        if summary is None:
            summary = _convert(reader, place)
            _return_freed_memory()
        else:
            for spec in () if reader.known else summary["columns"]:
                tell_format(Column(**spec), notice)
    reader.schema.columns = {spec["name"]: Column(**spec) for spec in summary["columns"]}
    reader.ends, reader.left_out, reader.read = summary["ends"], summary["left_out"], summary["read"]
    sizes = (len(reader.feature_names), len(reader.roles.non_features))
    rows = [DiskRows(place / name, "float64", (reader.ends[-1], m)) for name, m in zip(FILES, sizes, strict=True)]
    return rows[0], rows[1], summary["checksums"]


def _agrees(place: Path, known: list[dict[str, Any]]) -> bool:
    """Whether a conversion by what the table itself shows has come to the columns that are known."""
    try:
        specs = json.loads((place / "summary.json").read_text(encoding="utf-8"))["summary"]["columns"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    found = {spec["name"]: Column(**spec).unfitted().spec() for spec in specs}
    return all(found.get(spec["name"]) == spec for spec in known)


def _key(reader: RowReader, known: list[dict[str, Any]]) -> str:
    """Differs where the files, or how they are read, differ.

    A file's time of modification may have been put back, by a copy that keeps it; that of its last change cannot.
    """
    stats = [(str(table.path.resolve()), table.path.stat()) for table in reader.tables]
    files = [(path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for path, stat in stats]
    formats = [asdict(table.text) for table in reader.tables]
    return hashlib.sha256(json.dumps([files, formats, asdict(reader.roles), known]).encode()).hexdigest()[:20]


def _checked(reader: RowReader, place: Path) -> dict[str, Any] | None:
    """The summary of a conversion, of which every byte has been looked at; None, and a notice, if it is damaged."""
    try:
        signed = json.loads((place / "summary.json").read_text(encoding="utf-8"))
        summary = signed["summary"]
        if signed["checksum"] != _checksum(summary) or summary["checksums"] != _checksums(reader, place):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError):
        notice(f"The conversion of {reader.tables[0].name} in {place} is damaged: it is made anew.")
        return None
    return summary


def _checksums(reader: RowReader, place: Path) -> list[int]:
    total = sum((place / name).stat().st_size for name in FILES)
    with progress(f"checking the converted {reader.tables[0].name}", total) as done:
        return [file_checksum(place / name, done) for name in FILES]


def _checksum(summary: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(summary).encode())


def _convert(reader: RowReader, place: Path) -> dict[str, Any]:
    try:
        with written_whole(place) as partial:
            partial.mkdir()
            return _write(reader, partial)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        needed, free = sum(table.bytes() for table in reader.tables), shutil.disk_usage(place.parent).free
        raise UserError(
            f"{reader.tables[0].as_typed} is converted in {place.parent}, where {free / 1e9:.1f} GB are free; "
            f"it needs about {needed / 1e9:.1f} GB. Choose another folder: cache=."
        ) from error


def _write(reader: RowReader, folder: Path) -> dict[str, Any]:
    """Write the files; returns the summary."""
    checksums = [0, 0]
    with (
        (folder / FILES[0]).open("wb") as features_file,
        (folder / FILES[1]).open("wb") as non_features_file,
        progress(f"converting {reader.tables[0].name}", 1) as done,
    ):
        for *matrices, share in reader.matrices(CHUNK):
            for i, (file, matrix) in enumerate(zip((features_file, non_features_file), matrices, strict=True)):
                checksums[i] = zlib.crc32(matrix.data, checksums[i])
                file.write(matrix.data)
            del matrices, matrix  # before the next are read
            done(share)
    columns = [column.spec() for column in reader.schema.columns.values()]
    summary = {"columns": columns, "ends": reader.ends, "left_out": reader.left_out, "read": reader.read}
    summary["checksums"] = checksums
    signed = {"checksum": _checksum(summary), "summary": summary}
    (folder / "summary.json").write_text(json.dumps(signed), encoding="utf-8")
    return summary


def _return_freed_memory() -> None:
    """What chunks of the file have taken: glibc would keep it, in pieces for which training has no use."""
    with suppress(OSError, AttributeError, TypeError):  # elsewhere there is no need to
        ctypes.CDLL(None).malloc_trim(0)
