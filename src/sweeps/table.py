"""What came out of a sweep, on the screen: mean and deviation over seeds and folds, the best, and what has failed."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.console.numbers import shown
from src.run.config import shortest
from src.run.scores import REPEATS, telling_metric
from src.sweeps.job import Job

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

MOST = 20  # rows


def differing(jobs: Sequence[Job]) -> list[str]:
    """The keys by which the jobs can be told apart."""
    keys = dict.fromkeys(key for job in jobs for key in job.values)
    return [key for key in keys if len({job.values.get(key) for job in jobs}) > 1]


def label(job: Job, keys: Sequence[str]) -> str:
    """The values of a job for these keys, such as net=mlp,seed=0."""
    return ",".join(f"{key}={job.values[key]}" for key in keys if key in job.values)


def ranked(jobs: Sequence[Job], monitor: str | None, mode: str | None) -> dict[str, list[Job]]:
    """The finished jobs by what they differ in but for REPEATS, the best mean of the monitor first."""
    groups: dict[str, list[Job]] = {}
    keys = [key for key in differing(jobs) if key not in REPEATS]
    for job in jobs:
        if job.state == "done":
            groups.setdefault(label(job, keys) or "all", []).append(job)

    def rank(group: list[Job]) -> tuple[bool, float]:
        found = scores(group, monitor)
        return not found, (statistics.fmean(found) if found else 0) * (-1 if mode == "max" else 1)

    return dict(sorted(groups.items(), key=lambda named: rank(named[1])))


def scores(jobs: Sequence[Job], metric: str | None) -> list[float]:
    """Of those that have one."""
    return [score for job in jobs if (score := job.score(metric)) is not None]


def print_groups(jobs: Sequence[Job], monitor: str | None, mode: str | None, best: Job | None) -> None:
    """One line for the finished jobs of each group, the best first; none where there is no job to compare with."""
    done = [job for job in jobs if job.state == "done"]
    metrics = [metric for metric in (monitor, telling_metric(name for job in done for name in job.results)) if metric]
    if len(done) < 2 or not metrics:
        return
    groups = ranked(jobs, monitor, mode)
    rows = [["", *metrics, "jobs"]]
    for name, group in list(groups.items())[:MOST]:
        rows.append([name, *(_spread(scores(group, metric)) for metric in metrics), str(len(group))])
    print_rows(rows)
    if len(groups) > MOST:
        print(f"and {len(groups) - MOST} more")
    if best is not None:
        print(f"best: {best.run}")


def print_rows(rows: Sequence[Sequence[str]]) -> None:
    """Print a table, the heads of its columns first."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    print()
    for row in rows:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def print_trials(trials: Sequence[FrozenTrial], keys: Sequence[str], goals: Sequence[str], folder: Path) -> None:
    """One line for each trial of a search; of one goal the folder of the first, which is the best."""
    if not trials:
        return
    params = [{key.lstrip("+"): value for key, value in trial.params.items()} for trial in trials]
    names = [",".join(f"{key}={of[key]}" for key in keys) for of in params]
    values = [[shown(value) for value in trial.values or []] for trial in trials]
    print_rows([["", *goals], *([name, *row] for name, row in zip(names, values, strict=True))])
    if len(goals) == 1:
        print(f"best: {shortest(folder / trials[0].user_attrs['job'])}")


def print_saving(results: Sequence[Mapping[str, Any]], of: int) -> None:
    """Say how many of the trials were pruned, and how many epochs that has saved; nothing if none was."""
    pruned = [ended for ended in results if ended.get("status") == "pruned"]
    saved = sum(ended["max_epochs"] - ended["epochs"] for ended in pruned if (ended["max_epochs"] or 0) > 0)
    if pruned:
        trained = sum(ended.get("epochs", 0) for ended in results)
        print(f"{len(pruned)} of {of} trials were pruned: {trained} epochs trained, {saved} saved.")


def print_failures(failed: Sequence[Job], of: int) -> None:
    """Say on stderr which jobs have failed, with folder and reason."""
    if not failed:
        return
    print(f"{len(failed)} of {of} jobs failed:", file=sys.stderr)
    for job in failed[:MOST]:
        print(f"  {job.run}  {job.reason}", file=sys.stderr)
    if len(failed) > MOST:
        print(f"  and {len(failed) - MOST} more", file=sys.stderr)


def _spread(values: Sequence[float]) -> str:
    if len(values) < 2:
        return shown(values[0] if values else None)
    mean = statistics.fmean(values)
    return f"{shown(mean)} +- {shown(statistics.stdev(values), like=mean)}"
