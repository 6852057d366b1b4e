"""A table that is larger than memory: converted once to rows of numbers in a file, which are read where they lie."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

from src.console.screen import progress
from src.datasets.tables.columns import Column
from src.datasets.tables.rows import CHUNK, Rows
from src.files.atomic import written_whole
from src.files.cache import locked
from src.files.disk_rows import DiskRows


def converted(rows: Rows, cache: Path) -> tuple[DiskRows, DiskRows]:
    """Features (N, F) and the other columns (N, M) of `rows`, two files of float64; made if they are not there yet.

    A conversion that was broken off is begun anew; of two at once the second waits for the first. Fills in what `rows`
    knows after it was read.

    Raises:
        ValueError: what is wrong with the table, or too little space.
    """
    folder = cache / "tables"
    folder.mkdir(exist_ok=True)
    place = folder / _key(rows)
    with locked(place.with_suffix(".lock"), "Another run is converting this table: waiting for it."):
        if not place.exists():
            _convert(rows, place)
    known = json.loads((place / "columns.json").read_text(encoding="utf-8"))
    rows.columns = {spec["name"]: Column(**spec) for spec in known["columns"]}
    rows.ends, rows.left_out, rows.read = known["ends"], known["left_out"], known["read"]
    size = rows.ends[-1]
    return (
        DiskRows(place / "features.bin", "float64", (size, len(rows.features))),
        DiskRows(place / "others.bin", "float64", (size, len(rows.roles.others))),
    )


def _key(rows: Rows) -> str:
    """Differs where the files, or how they are read, differ."""
    files = [(str(t.path.resolve()), t.path.stat().st_size, t.path.stat().st_mtime_ns) for t in rows.tables]
    texts = [(t.separator, t.decimal, t.encoding) for t in rows.tables]
    kinds = {name: column.kind for name, column in rows.columns.items()}  # those of a finished run
    return hashlib.sha256(json.dumps([files, texts, asdict(rows.roles), kinds]).encode()).hexdigest()[:20]


def _convert(rows: Rows, place: Path) -> None:
    try:
        with written_whole(place) as partial:
            partial.mkdir()
            with (
                (partial / "features.bin").open("wb") as features_file,
                (partial / "others.bin").open("wb") as others_file,
                progress(f"converting {rows.tables[0].name}", 1) as done,
            ):
                for features, others, share in rows.matrices(CHUNK):
                    features_file.write(features.tobytes())
                    others_file.write(others.tobytes())
                    done(share)
            known = {
                "columns": [column.spec() for column in rows.columns.values()],
                "ends": rows.ends,
                "left_out": rows.left_out,
                "read": rows.read,
            }
            (partial / "columns.json").write_text(json.dumps(known), encoding="utf-8")
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        needed, free = sum(table.bytes() for table in rows.tables), shutil.disk_usage(place.parent).free
        raise ValueError(
            f"{rows.tables[0].said} is converted in {place.parent}, where {free / 1e9:.1f} GB are free; "
            f"it needs about {needed / 1e9:.1f} GB. Choose another folder: data.cache=."
        ) from error
