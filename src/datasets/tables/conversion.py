"""A table that is larger than memory: converted once to rows of numbers in a file, which are read where they lie."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

from src.console.messages import UserError
from src.console.screen import progress
from src.datasets.tables.columns import Column
from src.datasets.tables.rows import CHUNK, RowReader
from src.files.atomic import written_whole
from src.files.cache import locked
from src.files.disk_rows import DiskRows


def converted(reader: RowReader, cache: Path) -> tuple[DiskRows, DiskRows]:
    """Features (N, F) and the other columns (N, M), two files of float64; made if they are not there yet.

    A conversion that was broken off is begun anew; of two at once the second waits for the first. Fills in what
    `reader` knows after it has read.

    Raises:
        UserError: what is wrong with the table, or too little space.
    """
    folder = cache / "tables"
    folder.mkdir(exist_ok=True)
    place = folder / _key(reader)
    with locked(place.with_suffix(".lock"), "Another run is converting this table: waiting for it."):
        if not place.exists():
            _convert(reader, place)
    summary = json.loads((place / "summary.json").read_text(encoding="utf-8"))
    reader.columns = {spec["name"]: Column(**spec) for spec in summary["columns"]}
    reader.ends, reader.left_out, reader.read = summary["ends"], summary["left_out"], summary["read"]
    size = reader.ends[-1]
    return (
        DiskRows(place / "features.bin", "float64", (size, len(reader.feature_names))),
        DiskRows(place / "non_features.bin", "float64", (size, len(reader.roles.non_features))),
    )


def _key(reader: RowReader) -> str:
    """Differs where the files, or how they are read, differ."""
    stats = [(str(table.path.resolve()), table.path.stat()) for table in reader.tables]
    files = [(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats]
    formats = [asdict(table.text) for table in reader.tables]
    return hashlib.sha256(json.dumps([files, formats, asdict(reader.roles), reader.kinds]).encode()).hexdigest()[:20]


def _convert(reader: RowReader, place: Path) -> None:
    try:
        with written_whole(place) as partial:
            partial.mkdir()
            _write(reader, partial)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        needed, free = sum(table.bytes() for table in reader.tables), shutil.disk_usage(place.parent).free
        raise UserError(
            f"{reader.tables[0].as_typed} is converted in {place.parent}, where {free / 1e9:.1f} GB are free; "
            f"it needs about {needed / 1e9:.1f} GB. Choose another folder: cache=."
        ) from error


def _write(reader: RowReader, folder: Path) -> None:
    with (
        (folder / "features.bin").open("wb") as features_file,
        (folder / "non_features.bin").open("wb") as non_features_file,
        progress(f"converting {reader.tables[0].name}", 1) as done,
    ):
        for features, non_features, share in reader.matrices(CHUNK):
            features_file.write(features.tobytes())
            non_features_file.write(non_features.tobytes())
            done(share)
    columns = [column.spec() for column in reader.columns.values()]
    summary = {"columns": columns, "ends": reader.ends, "left_out": reader.left_out, "read": reader.read}
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
