"""Which runs are compared, in what they differ, and which are better."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from src.console.messages import UserError, listed, nearest
from src.reports.records import Record, text
from src.run.config import OF_THE_SWEEP, WHOLE
from src.run.scores import REPEATS, is_larger_better

NO_SETTINGS = {*OF_THE_SWEEP, "data.seed"}  # a run is the same whatever they are, or follow from another


@dataclass(frozen=True)
class Group:
    """Runs that differ in REPEATS alone; those that have a score first, the best of them at the top."""

    records: list[Record]

    @property
    def is_pruned(self) -> bool:
        """None of them has come to the end of its training."""
        return all(record.is_pruned for record in self.records)

    def scores(self, metric: str) -> list[float]:
        """Of the pruned ones only where there are no others: they have not learnt for so long."""
        return [r.metrics[metric] for r in self.records if metric in r.metrics and r.is_pruned == self.is_pruned]

    def mean(self, metric: str) -> float | None:
        scores = self.scores(metric)
        return statistics.fmean(scores) if scores else None

    def deviation(self, metric: str) -> float | None:
        """Of the sample; None for a single run."""
        scores = self.scores(metric)
        return statistics.stdev(scores) if len(scores) > 1 else None


class Comparison:
    """Some runs, sorted.

    Args:
        sort: a metric or a setting; None: the metric that has chosen the best epoch in most of them.
        each: show every run, also where runs differ in REPEATS alone.
        reverse: the other end first.

    Attributes:
        settings: the keys in which they differ.
        repeats: those of REPEATS over which is averaged.
        metrics: of all of them.
        score: the metric by which one is the best: `sort`, or the one that has chosen their best epochs.

    Raises:
        UserError: `sort` is nothing that a run has.
    """

    def __init__(self, records: list[Record], sort: str | None, each: bool, reverse: bool) -> None:
        self.records = records
        self.metrics = _union(record.metrics for record in records)
        self.differing = differing(records)
        monitor = _monitor(records, self.metrics)
        self.sort = sort or monitor
        self.score = self.sort if self.sort in self.metrics else monitor
        if sort and not any(record.value(sort) is not None for record in records):
            known = [*self.metrics, *self.differing]
            hint = nearest(sort, [*known, *_union(r.settings for r in records)])
            raise UserError(f"--sort {sort}: no run has it.{hint or f' There are {listed(list(map(text, known)))}.'}")
        self.larger_first = self.is_larger_better(self.sort) != reverse if self.sort in self.metrics else reverse
        self.repeats = [] if each else [key for key in REPEATS if key in self.differing]
        self.settings = [key for key in self.differing if key not in self.repeats]
        self.records = self._sorted(records, [record.value(self.sort) for record in records])
        groups: dict[tuple[str, ...], list[Record]] = {}
        for record in self.records:
            groups.setdefault(tuple(text(record.settings.get(key)) for key in self.settings), []).append(record)
        if all(len(group) == 1 for group in groups.values()):
            self.repeats, self.settings = [], self.differing
        self.groups = (
            [Group(group) for group in groups.values()] if self.repeats else [Group([r]) for r in self.records]
        )
        if self.repeats and self.sort in self.metrics:
            self.groups = self._sorted(self.groups, [group.mean(self.sort) for group in self.groups])

    def is_larger_better(self, metric: str) -> bool:
        """As the runs say of it, in their results or else in their configs."""
        return is_larger_better(metric, (said for record in self.records for said in (record.results, record.settings)))

    @property
    def best(self) -> Record | None:
        """By `score`, the best run of the best group, none of them pruned; None if none has a score."""
        best = max if self.is_larger_better(self.score) else min
        whole = [group for group in self.groups if not group.is_pruned]
        scored = [(mean, group) for group in whole if (mean := group.mean(self.score)) is not None]
        if not scored:
            return None
        _, group = best(scored, key=lambda pair: pair[0])
        runs = [r for r in group.records if self.score in r.metrics and not r.is_pruned]
        return best(runs, key=lambda r: r.metrics[self.score])

    @property
    def best_in_words(self) -> str:
        """What `best` is: where runs differ in REPEATS, another may have a better score by chance."""
        return f"The best {self.score}{' of those with the best mean' if self.repeats else ''}"

    def _sorted(self, things: list[Any], values: Sequence[Any]) -> list[Any]:
        """What has no value is last, in its order; before it what was pruned, where it is a metric that sorts."""
        order = [i for i in range(len(things)) if values[i] is not None]
        order.sort(key=lambda i: sort_key(values[i]), reverse=self.larger_first)
        order.sort(key=lambda i: self.sort in self.metrics and things[i].is_pruned)
        return [things[i] for i in [*order, *(i for i in range(len(things)) if values[i] is None)]]


def chosen(records: list[Record], status: str | None, where: Sequence[str]) -> list[Record]:
    """Those with this status, and with one of the values of each KEY=VALUE,VALUE.

    Raises:
        UserError: a key that no run has, or values or a status that none has.
    """
    for override in OverridesParser.create().parse_overrides(list(where)):
        key, typed = override.get_key_element(), str(override.input_line)
        known = _union(record.settings for record in records)
        if key not in known:
            raise UserError(f"--where {typed}: {key} is no key of these runs.{nearest(key, known)}")
        is_list = override.is_sweep_override()
        wanted = list(map(str, override.sweep_string_iterator())) if is_list else [override.get_value_element_as_str()]
        there = list(dict.fromkeys(text(record.settings.get(key)) for record in records))
        records = [r for r in records if any(_is_same(text(r.settings.get(key)), word) for word in wanted)]
        if not records:
            raise UserError(f"--where {typed}: no run has it. There are {key}={listed(there)}.")
    statuses = _union([record.status] for record in records)
    asked = {None: statuses, "unfinished": ["unfinished", "running"]}.get(status, [status])
    if not set(asked) & set(statuses):
        raise UserError(f"--status {status}: no run is. There are {listed(list(map(text, statuses)))}.")
    return [record for record in records if record.status in asked]


def differing(records: list[Record]) -> list[str]:
    """The keys in which runs differ; of those that nobody has typed none that follow from another choice of a group."""
    settings = [k for k in _union(r.settings for r in records) if not {k, k.partition(".")[0]} & NO_SETTINGS]
    varying = [key for key in settings if varies(records, key) and not _is_of_a_part_left_out(records, key)]
    typed = {key for record in records for key in record.typed_keys}
    whole = [key for key in WHOLE if key in varying]

    def is_shown(key: str) -> bool:
        group, _, inner = key.partition(".")
        follows = whole or (inner and group in varying)
        return key in typed or key in whole or not follows

    shown = [key for key in varying if is_shown(key)]
    return sorted(shown, key=lambda key: (key in REPEATS, "." in key))


def sort_key(value: Any) -> tuple[bool, Any]:
    """Numbers before texts."""
    is_number = isinstance(value, (int, float))
    return (not is_number, value if is_number else text(value))


def varies(records: list[Record], key: str) -> bool:
    """Whether not all of these runs have the same value."""
    first = records[0].settings.get(key)
    others = [value for record in records if (value := record.settings.get(key)) is not first and value != first]
    return any(text(value) != text(first) for value in others)


def _is_of_a_part_left_out(records: list[Record], key: str) -> bool:
    """Whether it differs only since the part that it is of is null in some runs, which its `_target_` says too."""
    part, _, inner = key.rpartition(".")
    if inner == "_target_" or not any(part in record.settings for record in records):
        return False
    having = [record for record in records if key in record.settings]
    return any(f"{part}._target_" in record.settings for record in having) and not varies(having, key)


def _is_same(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return one == other.replace(" ", "")


def _monitor(records: list[Record], metrics: list[str]) -> str:
    """The metric that chose the best epoch in most of the runs, if they have it."""
    monitors = [str(record.settings.get("monitor")) for record in records]
    known = [monitor for monitor in monitors if monitor in metrics]
    return statistics.mode(known) if known else next((m for m in metrics if m.startswith("val/")), "val/loss")


def _union(many: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in many for name in names))
