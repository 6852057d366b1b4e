"""What the folder of a run says of it. It may be a stranger's: plain data are read, nothing in it is built."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from src.config.compose import leaves
from src.config.quoting import as_typed
from src.console.messages import UserError, first_line, listed
from src.console.screen import notice, progress
from src.files.lock import is_locked
from src.files.results import read_results
from src.run.config import LENGTH, PARTS, shortest

LARGEST = 1_000_000  # bytes of a file; a run's own have a few thousand
DEEPEST = 50  # part within part in a YAML
MOST_SKIPPED = 10  # that are named
INSIDE = ("checkpoints", "logs", "plots")  # of a run's folder: no other run is in there
CHOICES = re.compile(r"^    choices:\n((?:      .*\n)*)", re.MULTILINE)  # in the YAML that OmegaConf writes
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the first is ten times as fast


@dataclass(frozen=True)
class Record:
    """One run.

    Attributes:
        status: finished | failed | pruned, or another that its results name; running; unfinished: it was interrupted.
        results: of results.json.
        ended: when those were written, in seconds; 0 if there are none.
        settings: key -> value of its config, and group -> choice.
        typed: its overrides, such as net=cnn.
    """

    folder: Path
    status: str
    results: dict[str, Any]
    settings: dict[str, Any]
    typed: tuple[str, ...]
    ended: float

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Those that are known: not null, nor a nan that another program has written."""
        return {k: v for k, v in self.results.items() if "/" in k and v is not None and math.isfinite(v)}

    @cached_property
    def typed_keys(self) -> set[str]:
        return {override.lstrip("+~").partition("=")[0] for override in self.typed}

    @property
    def is_pruned(self) -> bool:
        """A search has ended it early: its metrics are those so far."""
        return self.status == "pruned"

    def value(self, key: str) -> Any:
        """Of a metric, or a setting; None if it has none."""
        return self.metrics[key] if key in self.metrics else self.settings.get(key)


def read_records(folders: Sequence[str]) -> list[Record]:
    """The runs in these folders and below them. What looks like one and is none is named.

    Raises:
        UserError: a folder that is not there, or none with a run in it.
    """
    for folder in folders:
        if not Path(folder).is_dir():
            raise UserError(f"{folder} {'is no folder' if Path(folder).exists() else 'does not exist'}.")
    found = sorted({run for folder in folders for run in _runs_below(folder)}, key=_natural)
    records, skipped = [], []
    with progress("reading", total=len(found)) as done:
        for number, run in enumerate(found):
            try:
                records.append(read_record(run))
            except (ValueError, OSError, RecursionError, yaml.YAMLError) as error:  # a UserError is a ValueError
                skipped.append(f"Skipped {shortest(run)}: {first_line(error)}.")
            done(number)
    for line in skipped[:MOST_SKIPPED]:
        notice(text(line))
    if skipped[MOST_SKIPPED:]:
        notice(f"Skipped {len(skipped) - MOST_SKIPPED} more.")
    if not records:
        raise UserError(f"There is no run in {listed(folders)}.")
    return records


def read_record(folder: Path) -> Record:
    """The run in a folder. Raises ValueError, OSError, RecursionError or YAMLError if it holds none, or half of one."""
    config = _plain(_read(folder / ".hydra" / "config.yaml"))
    lacks = [part for part in PARTS if not (isinstance(config, dict) and isinstance(config.get(part), dict))]
    if lacks:
        raise ValueError(f"its config holds no {lacks[0]}, as that of a run does")
    typed = _plain(_read(folder / ".hydra" / "overrides.yaml"))
    file = folder / "results.json"
    results = _results(file)
    choices = CHOICES.search(_read(folder / ".hydra" / "hydra.yaml"))
    groups = _plain(choices[1]) if choices else {}
    settings = {name: choice for name, choice in leaves(groups) if not name.startswith("hydra/")}
    status = results.get("status", "unfinished")
    if status != "finished" and is_locked(folder / ".hydra" / "lock"):  # one that has failed may be tried again
        status = "running"
    ended = file.stat().st_mtime if results else 0.0
    settings = {**dict(leaves(config)), **settings}
    settings |= {f"trainer.{name}": results[name] for name in LENGTH if name in results}  # it may go on beyond that
    return Record(folder, status, results, settings, tuple(map(str, typed or [])), ended)


def text(value: Any) -> str:
    """A value `as_typed`, without what a terminal would obey."""
    words = as_typed(value)
    return words if words.isprintable() else "".join(c if c.isprintable() else "?" for c in words)


def _runs_below(top: str) -> Iterator[Path]:
    for folder, inner, files in os.walk(top):
        if "results.json" in files or (".hydra" in inner and Path(folder, ".hydra", "config.yaml").exists()):
            yield Path(folder)
            inner[:] = [name for name in inner if name not in INSIDE]
        inner[:] = [name for name in inner if not name.startswith(".")]


def _natural(path: Path) -> list[Any]:
    """run9 before run10."""
    return [(not part.isdigit(), int(part) if part.isdigit() else part) for part in re.split(r"(\d+)", str(path))]


def _read(file: Path) -> str:
    """A text; raise OSError or ValueError if it is none."""
    if not file.is_file():
        raise ValueError(f"it holds no .hydra/{file.name}")
    if file.stat().st_size > LARGEST:
        raise ValueError(f"{file.name} is too large for that of a run")
    return file.read_text(encoding="utf-8")


def _plain(text: str) -> Any:
    """What a YAML says. Raise ValueError if it is made to break its reader: self-repeating, or without a bottom."""
    depth = 0
    for event in yaml.parse(text, Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent) or depth > DEEPEST:
            raise ValueError("its YAML is none that a run writes")
    return yaml.load(text, Loader)


def _results(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    if not file.is_file() or file.stat().st_size > LARGEST:
        raise ValueError("results.json is not that of a run")
    try:
        results = read_results(file)
    except UserError as error:
        raise ValueError(first_line(error).partition(". ")[0].replace(str(file), file.name)) from error
    if not isinstance(results.get("status"), str):
        raise ValueError("results.json holds no status, as that of a run does")
    return results
