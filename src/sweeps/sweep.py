"""The jobs of one command: which of them are to run, what is said as each ends, and when it is enough."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from omegaconf import DictConfig

from src.config.build import shown
from src.config.check import is_whole
from src.console.messages import UserError
from src.console.screen import screen_of_sweep
from src.files.lock import lock
from src.run.scores import is_larger_better
from src.sweeps.best import write_best
from src.sweeps.job import Ended, Job
from src.sweeps.table import differing, label, print_failures, print_groups, print_saving


class Sweep:
    """A folder with a folder for each job.

    Args:
        jobs: the overrides of each.
        cfg: the config that they share, with Hydra's part.

    Raises:
        UserError: there is no job, or a key of the sweep has a value that cannot be.

    Attributes:
        is_ranked: the jobs can be told which is better.
    """

    parts = "jobs"
    is_ranked = True

    def __init__(self, jobs: Sequence[Sequence[str]], cfg: DictConfig) -> None:
        self.cfg, self.monitor = cfg, cfg.monitor
        most, retry = cfg.max_failures, cfg.retry_failed
        if most is not None and not is_whole(most, least=1):
            raise UserError(f"max_failures={shown(most)}: a whole number from 1 is needed, or null.")
        if not isinstance(retry, bool):
            raise UserError(f"retry_failed={shown(retry)}: true or false is needed.")
        if not jobs:
            raise UserError("There is nothing to run: one of the lists, such as range(0), is empty.")
        names = {override for overrides in jobs for override in overrides if override.startswith("name=")}
        if len(names) > 1:
            raise UserError("name= takes one value, that of the sweep: its jobs have folders of their own in it.")
        if any(override.startswith("hydra.sweep.subdir=") for override in cfg.hydra.overrides.hydra):
            raise UserError("hydra.sweep.subdir= is taken: a job is found again by the name of its folder.")
        self.folder = Path(str(cfg.hydra.sweep.dir))
        if (self.folder / ".hydra" / "config.yaml").exists():
            raise UserError(f"{self.folder} holds a run. Choose another name= for the sweep.")
        self.jobs = list({job.name: job for job in (Job(self.folder, overrides) for overrides in jobs)}.values())
        self.keys, self.total = differing(self.jobs), len(self.jobs)
        self.ended, self.failures = 0, 0
        self.best: Job | None = None

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Inside it the folder is this process' own; one in which nothing came to be is removed.

        Raises:
            UserError: another process has it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / ".lock"
        with file.open("a") as held:
            try:
                lock(held)
            except OSError as error:
                raise UserError(f"{self.folder} is being filled by another sweep. Choose another name=.") from error
            try:
                yield
            finally:
                if [path.name for path in self.folder.iterdir()] == [file.name]:
                    held.close()  # Windows removes no open file
                    file.unlink()
                    self.folder.rmdir()

    def plan(self) -> list[Job]:
        """The jobs to run; those that were done before keep their scores."""
        for job in self.jobs:
            job.read()
        left = {"done"} if self.cfg.retry_failed else {"done", "failed"}
        changed = _changed(self.cfg, self.jobs)  # of a run that is older, its own claim sees to what it was made with
        is_older = {job.name for job in self.jobs if job.state == "done" and _written(job) < changed}
        to_run = [job for job in self.jobs if job.state not in left or job.name in is_older]
        self.ended = len(self.jobs) - len(to_run)
        for job in self.jobs:
            if job not in to_run:
                self._compare(job)
                job.reason = reason_of(job) if job.state == "failed" else None
        return to_run

    def say_plan(self) -> None:
        """How many were done before, and how many are to run."""
        states = [job.state for job in self.jobs]
        words = {"done": "done", "begun": "to continue", "failed": "failed before", "new": "to run"}
        print(", ".join(f"{states.count(state)} {what}" for state, what in words.items() if state in states))

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Inside it the screen is the sweep's: a bar over its jobs, and a line for each."""
        with screen_of_sweep() as self.bar:
            if self.bar is not None:
                self.task = self.bar.add_task("", total=self.total, completed=self.ended, metrics="")
            self._draw()
            yield

    def has_ended(self, ended: Ended) -> None:
        """Say in a line how a job has ended."""
        job = ended.job
        job.read()
        job.reason = reason = ended.reason and ended.reason.strip().splitlines()[0]
        self.ended, self.failures = self.ended + 1, self.failures + (reason is not None)
        is_best = reason is None and self._compare(job)
        score = job.score(self.monitor)
        said = f"{self.monitor} {score:.4g}" if score is not None else "done"
        said = f"pruned in epoch {job.results['epochs'] - 1}" if job.results.get("status") == "pruned" else said
        said = f"failed: {job.reason}" if job.reason is not None else said
        words = [f"{self.ended}/{self.total}", label(job, self.keys) or job.name, said, _duration(ended.seconds)]
        print("  ".join([*words, "best so far"] if is_best else words))
        self._draw()

    @property
    def is_over(self) -> bool:
        """Whether so many jobs have failed that the rest is not worth a try."""
        return self.cfg.max_failures is not None and self.failures >= self.cfg.max_failures

    def report(self) -> bool:
        """Print what came out, and which jobs have failed; whether none has. Of one goal best.yaml is written."""
        self._print_scores()
        if self.is_ranked and (again := write_best(self.folder, self.jobs, self.monitor, self.mode, self.cfg)):
            print(f"The best settings again: {again}")
        print_saving([job.results for job in self.jobs], self.total)
        failed = [job for job in self.jobs if job.reason is not None]
        print_failures(failed, self.total)
        if self.is_over and self.left:
            print(f"max_failures={self.cfg.max_failures} is reached: {self.left} {self.parts} were not run.")
        return not failed

    @property
    def left(self) -> int:
        """How many have not ended."""
        return self.total - self.ended

    def _print_scores(self) -> None:
        print_groups(self.jobs, self.monitor, self.mode, self.best)

    @property
    def mode(self) -> str:
        """min or max: of the monitor, as the finished runs that it guided say."""
        return "max" if is_larger_better(str(self.monitor), (job.results for job in self.jobs)) else "min"

    def _compare(self, job: Job) -> bool:
        """Whether it is the best so far, and not the first."""
        score, before = job.score(self.monitor), self.best.score(self.monitor) if self.best else None
        if score is None or (before is not None and (score >= before if self.mode == "min" else score <= before)):
            return False
        self.best = job
        return before is not None

    def _draw(self) -> None:
        if self.bar is not None:
            score = self.best.score(self.monitor) if self.best else None
            best = f"best {self.monitor} {score:.4g}" if score is not None else ""
            self.bar.update(
                self.task,
                completed=self.ended,
                description=f"job {min(self.ended + 1, self.total)}/{self.total}",
                metrics=best,
            )


def reason_of(job: Job) -> str:
    """Why it has failed, as its folder says."""
    return str(job.results.get("error") or "it is not known why").strip().splitlines()[0]


def _written(job: Job) -> float:
    return job.run.results_file.stat().st_mtime


def _changed(cfg: DictConfig, jobs: Sequence[Job]) -> float:
    """When a file of the config was last changed."""
    folders = [Path(source.path) for source in cfg.hydra.runtime.config_sources if source.schema == "file"]
    files = {file for folder in folders for file in folder.rglob("*.yaml")}
    files |= {Path(value) for job in jobs for value in job.values.values() if value.endswith(".yaml")}
    return max(file.stat().st_mtime for file in files if file.is_file())


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
