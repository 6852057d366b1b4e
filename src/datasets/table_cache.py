"""A table larger than memory is converted once, to two files of float64 rows that are read row by row."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from src.datasets.cache import cache_folder
from src.datasets.columns import Column
from src.datasets.disk_rows import DiskRows
from src.datasets.table_rows import CHUNK, Rows
from src.screen import notice, progress

try:
    import fcntl
except ImportError:  # on Windows two starts at once may convert twice
    fcntl = None


def converted(rows: Rows, cache: str | None) -> tuple[DiskRows, DiskRows]:
    """Features (N, F) and the other columns (N, M), from the cache if they are there; `rows` then knows the rest.

    Raises:
        ValueError: no table, or no room for the files.
    """
    folder = cache_folder(cache) / "tables"
    folder.mkdir(exist_ok=True)
    whole = folder / _key(rows)
    if not whole.is_dir():
        with _locked(whole, f"Waiting for another start that converts {rows.tables[0].name}."):
            _sweep(folder, whole)
            if not whole.is_dir():
                _convert(rows, whole)
    return _opened(rows, whole)


def _key(rows: Rows) -> str:
    """Of these files as they are now, read in this way."""
    files = []
    for table in rows.tables:
        status = table.path.stat()
        files.append([str(table.path.resolve()), status.st_size, status.st_mtime_ns])
        files[-1] += [table.separator, table.decimal, table.encoding]
    kinds = {name: column.kind for name, column in rows.columns.items()}
    return hashlib.sha256(json.dumps([1, files, asdict(rows.roles), kinds]).encode()).hexdigest()[:16]


def _convert(rows: Rows, whole: Path) -> None:
    """Write the folder under another name, and give it its own when it is whole."""
    part = whole.with_suffix(".part")
    part.mkdir()
    try:
        _write(rows, part)
        part.rename(whole)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _full(rows, part) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(rows: Rows, part: Path) -> None:
    with (
        (part / "features.f64").open("wb") as features_file,
        (part / "others.f64").open("wb") as others_file,
        progress(f"converting {rows.tables[0].name}", 1) as done,
    ):
        checked = False
        for features, others, share in rows.matrices(CHUNK):
            if not checked and features.nbytes / share > shutil.disk_usage(part).free:
                raise _full(rows, part, features.nbytes / share)
            checked = True
            features.tofile(features_file)
            others.tofile(others_file)
            done(share)
        for file in (features_file, others_file):  # or a power cut could leave holes under a whole one's name
            file.flush()
            os.fsync(file.fileno())
    known = {"columns": [column.spec() for column in rows.columns.values()]}
    known |= {"ends": rows.ends, "left_out": rows.left_out, "read": rows.read}
    (part / "table.json").write_text(json.dumps(known))


def _opened(rows: Rows, whole: Path) -> tuple[DiskRows, DiskRows]:
    known = json.loads((whole / "table.json").read_text())
    rows.columns = {spec["name"]: Column(**spec) for spec in known["columns"]}
    rows.ends, rows.left_out, rows.read = known["ends"], known["left_out"], known["read"]
    size = rows.ends[-1]
    return (
        DiskRows(whole / "features.f64", "float64", (size, len(rows.features))),
        DiskRows(whole / "others.f64", "float64", (size, len(rows.roles.others))),
    )


def _full(rows: Rows, part: Path, needed: float | None = None) -> ValueError:
    free = shutil.disk_usage(part).free / 1e9
    room = f"{needed / 1e9:.1f} GB" if needed else "more room"
    return ValueError(
        f"{rows.tables[0].name} is converted in {part.parent}, where it needs {room}, and {free:.1f} GB are free. "
        "Make room, or name another place: data.cache=."
    )


def _sweep(folder: Path, mine: Path) -> None:
    """Remove what conversions left that were broken off: nobody holds their lock."""
    for part in folder.glob("*.part"):
        if part.stem == mine.name:
            shutil.rmtree(part)
        else:
            with suppress(BlockingIOError), _locked(part.with_suffix(""), None):
                shutil.rmtree(part)


@contextmanager
def _locked(whole: Path, waiting: str | None) -> Iterator[None]:
    """Only one process is inside; another says that it is `waiting` (None: raises BlockingIOError)."""
    with whole.with_suffix(".lock").open("w") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if waiting is None:
                    raise
                notice(waiting)
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
