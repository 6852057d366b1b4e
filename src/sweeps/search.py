"""A search: a sweep whose jobs are the trials of a study, asked for one by one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig
from optuna.trial import FrozenTrial, TrialState

from src.config.build import shown
from src.config.check import is_whole
from src.config.trust import trusted
from src.console.messages import UserError, listed, nearest
from src.console.screen import notice
from src.console.signals import stop_if_asked
from src.files.study import JOB, PRUNERS, answering, build_named
from src.sweeps.goals import goals_of, modes_of
from src.sweeps.job import Ended, Job
from src.sweeps.names import values_of
from src.sweeps.samplers import Sampler
from src.sweeps.space import Space, as_override, check_whole, example
from src.sweeps.study import SCORED, Study
from src.sweeps.sweep import Sweep, reason_of
from src.sweeps.table import label, print_trials

if TYPE_CHECKING:
    from src.learning.metrics import Mode

PAUSE = 0.5  # seconds between two looks at what other processes do


class Search(Sweep):
    """Trials with a folder each. Those that were begun and have not ended go on first, with their own values.

    Args:
        fixed: the overrides of every trial.
        space: what is searched.
        cfg: the config that the trials share, with Hydra's part.

    Raises:
        UserError: a key of the search has a value that cannot be.
    """

    parts = "trials"

    def __init__(self, fixed: Sequence[str], space: Space, cfg: DictConfig) -> None:
        search = cfg.search
        for name, least in {"n_trials": 1, "seed": 0, "silence": 1}.items():
            value = search[name]
            if not is_whole(value, least):
                raise UserError(f"search.{name}={shown(value)}: a whole number from {least} is needed.")
        self.goals = goals_of(cfg)
        self.is_ranked, self.sampler = len(self.goals) == 1, Sampler(search, space, len(self.goals))
        build_named("search.pruner", search.pruner, PRUNERS, search.pruner_options)
        if not self.is_ranked and search.pruner not in (None, "none"):
            raise UserError(f"search.pruner={search.pruner} compares one goal. For two: search.pruner=none.")
        if search.storage is not None and cfg.name is None:
            raise UserError("search.storage= needs a name=, by which other processes find the same study.")
        super().__init__([fixed], cfg)
        self.fixed, self.space, self.is_shared = fixed, space, search.storage is not None
        self.total = min(search.n_trials, self.sampler.most or search.n_trials)
        self.study = Study(self.folder, search.storage, search.silence, self.total)
        self.jobs, self.keys, self.monitor = [], [key.lstrip("+") for key in space], self.goals[0]
        self.running: dict[str, int] = {}  # job -> number of its trial
        self.held: list[FrozenTrial] = []  # trials with the values of one that is being run

    @contextmanager
    def opened(self, composed: Callable[[list[str]], DictConfig]) -> Iterator[None]:
        """Inside it the study is there. Its folder is this process' own, or that of all who share its database.

        Args:
            composed: overrides -> the config of a job.

        Raises:
            UserError: another process has the folder; a goal is not measured; the study is about something else; its
                storage cannot be read.
        """
        with answering(self.study.url), nullcontext() if self.is_shared else self.claimed():
            try:
                self._open(composed)
                self.folder.mkdir(parents=True, exist_ok=True)
                with self.study.alive():
                    yield
            finally:
                self.study.close()

    def _open(self, composed: Callable[[list[str]], DictConfig]) -> None:
        about = {**values_of(self.fixed), **{key: as_override(of) for key, of in self.space.items()}}
        about["search.goals"] = ",".join(self.goals)
        self.study.open(about, lambda: self._modes(composed), self.cfg.retry_failed)
        for trial in self.study.trials():
            if trial.state.is_finished():
                job = self._job(trial)
                job.reason = reason_of(job) if trial.state == TrialState.FAIL else None
                self.jobs.append(job)
                self._compare(job)

    def say_plan(self) -> None:
        trials, again = self.study.trials(), len(self.study.to_retry)
        ended = self.ended = self.study.ended
        failed = sum(trial.state == TrialState.FAIL for trial in trials) - again
        words = {"failed before": failed, "to try again": again, "to continue": len(trials) - ended - again}
        told = [f"{number} {what}" for what, number in words.items() if number]
        print(", ".join([f"{ended - failed} of {self.total} trials done", *told]))

    @property
    def mode(self) -> str:
        return {"MINIMIZE": "min", "MAXIMIZE": "max"}[self.study.study.directions[0].name]

    @property
    def is_left(self) -> bool:
        """Whether there is more to run."""
        return not self.is_over and self.left > 0

    def asked(self) -> Iterator[Job]:
        """A job for each trial, asked for when there is room for it; ends while others of this process still run."""
        assert not self.running, "the launcher has not told how a job has ended"
        while not self.is_over:
            trial = self._free_again() or self.study.next(self.sampler, lambda params: self._named(params).name)
            if trial is not None:
                job = self._job(trial)
                if self._is_run(job.name):
                    self.held.append(trial)
                elif not self._is_known(trial, job):
                    self.running[job.name] = trial.number
                    yield job
            elif self.running or not (self.held or self.study.others):
                return
            else:
                silence = self.cfg.search.silence
                notice(
                    f"Waiting for trials of other processes. One without a sign of life for {silence} s is taken over."
                )
                stop_if_asked()
                time.sleep(PAUSE)

    def has_ended(self, ended: Ended) -> None:
        """Tell the study how a trial has ended, and say it in a line."""
        job, number = ended.job, self.running.pop(ended.job.name)
        job.read()
        if ended.reason is None:
            ended.reason = self._tell(number, job)
        else:
            self.study.tell(number, TrialState.FAIL)
        self._add(job)
        self.ended = self.study.ended - 1
        super().has_ended(ended)

    @property
    def left(self) -> int:
        return self.total - self.study.ended

    def _print_scores(self) -> None:
        print_trials(self.study.best, self.keys, self.goals, self.folder)

    def _add(self, job: Job) -> None:
        """In the place of one with the same values, such as a try before."""
        self.jobs = [*(other for other in self.jobs if other.name != job.name), job]

    def _named(self, params: Mapping[str, Any]) -> Job:
        return Job(self.folder, [*self.fixed, *(f"{key}={params[key]}" for key in self.space)])

    def _job(self, trial: FrozenTrial) -> Job:
        return self._named(trial.params)

    def _modes(self, composed: Callable[[list[str]], DictConfig]) -> list[Mode]:
        """What is better for each goal, as seen at a job that is not run.

        Raises:
            UserError: a goal is not measured, or a key takes whole numbers only, and has an interval of others.
        """
        values = {key: example(of) for key, of in self.space.items()}
        cfg = composed(self._named(values).overrides)
        check_whole(cfg, self.space)
        with trusted(True):  # what is typed is the user's own
            return modes_of(self.goals, cfg)

    def _is_run(self, name: str) -> bool:
        """Whether a trial with the same values is being run, here or by another process."""
        return name in self.running or any(trial.user_attrs.get(JOB) == name for trial in self.study.others)

    def _free_again(self) -> FrozenTrial | None:
        """A held trial whose like has ended."""
        free = next((trial for trial in self.held if not self._is_run(self._job(trial).name)), None)
        if free is not None:
            self.held.remove(free)
        return free

    def _is_known(self, trial: FrozenTrial, job: Job) -> bool:
        """Whether what comes out of it is known: one with the same values has ended, or its run. Then it is told."""
        twins = [twin for twin in self.study.trials(*SCORED) if twin.user_attrs.get(JOB) == job.name]
        if twins:
            self.study.tell_like(trial.number, twins[0])
        elif job.state == "done":
            job.reason = self._tell(trial.number, job)
        else:
            return False
        self._add(job)
        self.ended = self.study.ended
        self._compare(job)
        print(f"{self.ended}/{self.total}  {label(job, self.keys)}  known before")
        self._draw()
        return True

    def _tell(self, number: int, job: Job) -> str | None:
        """Tell how its run has ended; returns why it is no good, if it is not.

        Raises:
            UserError: a goal is not among the metrics of the run.
        """
        results = job.results
        if results.get("status") == "pruned":
            self.study.tell(number, TrialState.PRUNED)
            return None
        for goal in self.goals:
            if goal not in results:
                there = [name for name in results if name.startswith(("val/", "train/"))]
                hint = nearest(goal, there) or f" There are {listed(there)}."
                raise UserError(f"{goal}, which the search is for, is not measured by {job.run}.{hint}")
        values = [results[goal] for goal in self.goals]
        unknown = [goal for goal, value in zip(self.goals, values, strict=True) if value is None]
        self.study.tell(number, TrialState.FAIL if unknown else TrialState.COMPLETE, None if unknown else values)
        return f"{unknown[0]} is nan" if unknown else None
