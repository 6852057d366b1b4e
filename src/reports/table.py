"""Runs as rows: a table on the terminal, and a CSV."""

from __future__ import annotations

import csv
import os
import shlex
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.cells import cell_len

from src.config.quoting import MULTIRUN
from src.console.numbers import shown
from src.files.atomic import written_whole
from src.reports.compare import Comparison, Group
from src.reports.records import Record, text
from src.run.config import is_of_the_sweep, shortest
from src.run.scores import telling_metric

GAP = "  "
SHORTEST_FOLDER = 16  # columns; a longer name is cut where there is no room, as it often says what the settings do
BESIDE_METRICS = ("epochs", "seconds")


def lines(comparison: Comparison, width: int | None) -> list[str]:
    """A table at most so wide, None: as it comes; the settings for which there is no room are named below it."""
    groups, width, spare = comparison.groups, width or 100_000, 0
    fixed = _scores(comparison)
    if any(record.status != "finished" for record in comparison.records) and not comparison.repeats:
        fixed.append(["status", *(group.records[0].status for group in groups)])
    if not comparison.repeats:
        fixed.append(["folder", *inside([group.records[0].folder for group in groups])])
        spare = max(0, _width(fixed[-1:]) - SHORTEST_FOLDER)
    columns = {key: [key, *(text(g.records[0].settings.get(key)) for g in groups)] for key in comparison.settings}
    left_out = []
    while columns and _width([*columns.values(), *fixed]) - spare > width:
        left_out.insert(0, columns.popitem()[0])
    shown = _aligned([*columns.values(), *fixed], width)
    note = [f"No room for {', '.join(left_out)}: --csv FILE and --html FILE have all."] if left_out else []
    return [*shown, *note]


def main_metrics(comparison: Comparison) -> list[str]:
    """The one that sorts, and the telling one of each kind of task."""
    metrics = [comparison.score, *(telling_metric(record.results) for record in comparison.records)]
    return [metric for metric in dict.fromkeys(metrics) if metric in comparison.metrics]


def inside(folders: list[Path]) -> list[str]:
    """The folders, without what is the same in all."""
    above = common(folders)
    return [text(str(folder.relative_to(above))) for folder in folders]


def common(folders: list[Path]) -> Path:
    """The folder that all of them are in."""
    return Path(os.path.commonpath([folder.parent for folder in folders]))


def command(record: Record) -> str:
    """What was typed for it; of a sweep, which was typed for all its jobs, what trains this one alone."""
    try:
        words = shlex.split(str(record.results.get("command", "")))
    except ValueError:
        words = []
    is_ours = words[:2] == ["python", "-m"] and words[2:3] in (["src.train"], ["src.repeat"])
    if is_ours and set(MULTIRUN).isdisjoint(words[3:]):
        return text(shlex.join(words))
    flags = [word for pair in pairwise(words) if pair[0] in ("--config-dir", "-cd") for word in pair]
    own = [override for override in record.typed if not is_of_the_sweep(override.partition("=")[0])]
    return text(shlex.join(["python", "-m", "src.train", *flags, *own]))


def reason(record: Record) -> str:
    """Why it has failed, in a line."""
    return text(str(record.results.get("error") or "train.log in its folder says why").splitlines()[0])


def write_csv(path: Path, comparison: Comparison) -> None:
    """Every run, a row: folder, status, what differs, every metric, and its command."""
    how: dict[str, Any] = {"newline": "", "encoding": "utf-8", "errors": "surrogateescape"}  # a folder's name is bytes
    with written_whole(path) as partial, partial.open("w", **how) as file:
        writer = csv.writer(file)
        writer.writerow(["folder", "status", *comparison.differing, *comparison.metrics, *BESIDE_METRICS, "command"])
        for record in comparison.records:
            results = [record.results.get(name) for name in (*comparison.metrics, *BESIDE_METRICS)]
            settings = [text(record.settings.get(key)) for key in comparison.differing]
            writer.writerow([shortest(record.folder), record.status, *settings, *results, command(record)])


def score(group: Group, metric: str) -> str:
    """Mean and deviation."""
    mean, deviation = group.mean(metric), group.deviation(metric)
    return "-" if mean is None else shown(mean) + ("" if deviation is None else f" ± {shown(deviation, like=mean)}")


def counts(records: list[Record]) -> str:
    """How many runs have which status, such as 12 runs: 10 finished, 2 failed."""
    known = Counter(record.status for record in records)
    many = f"{len(records)} run{'s' if len(records) > 1 else ''}"
    return f"{many}: {', '.join(f'{number} {text(status)}' for status, number in known.most_common())}"


def counted(group: Group) -> str:
    """How many runs, and of them how many are finished."""
    finished = sum(record.status == "finished" for record in group.records)
    return str(finished) if finished == len(group.records) else f"{finished} of {len(group.records)}"


def _scores(comparison: Comparison) -> list[list[str]]:
    columns = [[metric, *(score(group, metric) for group in comparison.groups)] for metric in main_metrics(comparison)]
    if comparison.repeats:
        columns.append(["runs", *map(counted, comparison.groups)])
    return columns


def _width(columns: list[list[str]]) -> int:
    return sum(max(map(cell_len, column)) for column in columns) + len(GAP) * (len(columns) - 1)


def _aligned(columns: list[list[str]], width: int) -> list[str]:
    """Numbers to the right; what is still too long ends in a dot."""
    padded = []
    for column in columns:
        wide = max(map(cell_len, column))
        is_number = all(cell[:1] in "-.0123456789" for cell in column[1:])
        spaces = [" " * (wide - cell_len(cell)) for cell in column]
        padded.append([s + c if is_number else c + s for s, c in zip(spaces, column, strict=True)])
    rows = [GAP.join(cells).rstrip() for cells in zip(*padded, strict=True)]
    return [row if cell_len(row) <= width else f"{row[: width - 1]}…" for row in rows]
