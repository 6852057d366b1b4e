"""One job of a sweep, and what its folder says of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from src.console.messages import UserError
from src.files.results import write_results
from src.run import Run
from src.run.config import write_config
from src.run.run import ENDED
from src.sweeps.names import job_name, values_of

LOG = "train.log"  # what Hydra's `job_logging` calls it
State = Literal["done", "failed", "begun", "new"]


class Job:
    """One combination of a sweep's values, in a folder of its own.

    Attributes:
        values: key -> value of what was typed for it.
        reason: why it has failed, in a line; None if it has not.
    """

    def __init__(self, folder: Path, overrides: Sequence[str]) -> None:
        self.overrides, self.values = list(overrides), values_of(overrides)
        self.name = job_name(self.values)
        self.run = Run(folder / self.name)
        self.reason: str | None = None
        self.read()

    def read(self) -> None:
        """Look into the folder: `results` are empty where results.json is damaged, which the run itself will tell."""
        try:
            self.results: dict[str, Any] = self.run.results
        except UserError:
            self.results = {}

    @property
    def state(self) -> State:
        """How it has ended; begun: it can go on from its last checkpoint."""
        status, run = self.results.get("status"), self.run
        if status in ENDED:
            return "done"
        if status == "failed" and not _is_newer(run.last, run.results_file):  # else it was tried again, and stopped
            return "failed"
        return "begun" if run.has_begun else "new"

    def note_death(self, reason: str) -> str | None:
        """Leave word of a run that could not do so itself; returns the reason, None if it had finished before."""
        self.read()
        if self.state == "done":
            return None
        if self.run.config_file.exists():
            with suppress(OSError):
                write_results(self.run.results_file, status="failed", error=reason)
        return reason

    def score(self, metric: str | None) -> float | None:
        """A metric of a finished run; None where it has none that is finite."""
        return self.results.get(metric) if metric and self.results.get("status") == "finished" else None


@dataclass
class Ended:
    """How a job has ended.

    Attributes:
        seconds: how long it took.
        reason: why it has failed; None if it has not.
    """

    job: Job
    seconds: float
    reason: str | None


def _is_newer(file: Path, other: Path) -> bool:
    return file.exists() and file.stat().st_mtime_ns > other.stat().st_mtime_ns


def note_failure(cfg: DictConfig, reason: str) -> bool:
    """Leave word in the folder of Hydra's job, for the same sweep; but not where the run has left anything itself."""
    run = Run(HydraConfig.get().runtime.output_dir)
    if run.folder.is_dir() and any(path.name != LOG for path in run.folder.iterdir()):
        return False
    with suppress(OSError):
        write_config(run.folder, cfg)
        write_results(run.results_file, status="failed", error=reason, seed=cfg.seed)
    return True
