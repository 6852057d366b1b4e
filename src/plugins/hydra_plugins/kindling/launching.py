"""Jobs handed to a launcher, and how each has ended."""

from __future__ import annotations

import gc
import os
import sys
import time
from abc import abstractmethod
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from src.cli.job import RemoteWork, Work, run_job
from src.config.build import shown
from src.config.check import is_whole
from src.config.compose import PROJECT
from src.console.messages import UserError
from src.console.signals import stop_code, undivided
from src.sweeps.job import LOG, Ended, Job
from src.training.interruption import say_stopped


def register(name: str, target: str, *parameters: str) -> None:
    """Let Hydra know a launcher; its parameters are the keys of conf/launcher/NAME.yaml."""
    node = {"_target_": target, **{key: f"${{launcher.{key}}}" for key in parameters}}
    ConfigStore.instance().store(group="hydra/launcher", name=name, node=node, provider="kindling")


def launched(launcher: Launcher, jobs: Iterable[Job]) -> Generator[Ended, None, None]:
    """How each job has ended, as soon as it has; the next job is taken only when there is room for it.

    Close it where it is left before its end: that stops the jobs that are running.
    """
    if isinstance(launcher, Streaming):
        yield from launcher.launched(jobs)
        return
    for number, job in enumerate(jobs):
        start, reason = time.monotonic(), run_job(launcher, job.overrides, number)
        if reason is not None:
            gc.collect()  # the error's traceback holds what the job has left in memory
        yield Ended(job, time.monotonic() - start, reason)


@dataclass(eq=False)
class Running:
    """A job that has begun, and by what its launcher knows it."""

    job: Job
    handle: Any
    start: float


class Streaming(Launcher):
    """Runs `n_jobs` jobs elsewhere at a time, and begins another as soon as one ends."""

    def __init__(self, n_jobs: int | None) -> None:
        self.n_jobs = n_jobs

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.config = hydra_context, config
        if self.n_jobs is not None and not is_whole(self.n_jobs, least=1):
            raise UserError(f"launcher.n_jobs={shown(self.n_jobs)}: a whole number from 1 is needed, or null.")

    def work(self, job: Job, number: int) -> Work:
        """A job, for the process that runs it."""
        return Work(self.hydra_context, self.config, str(self.config.hydra.sweep.dir), job.overrides, number)

    def launch(self, job_overrides: Any, initial_job_idx: int) -> Any:
        raise AssertionError  # `launched` is called in its place

    def prepare(self) -> None:
        """Before the first job."""

    def has_room(self, job: Job) -> bool:
        """Whether a job can begin beside those that are running, which are fewer than `n_jobs`."""
        return True

    @abstractmethod
    def begin(self, job: Job, number: int) -> Any:
        """Let a job run; returns a handle."""

    @abstractmethod
    def first_ended(self, handles: list[Any]) -> Any:
        """Wait until one of them has ended."""

    @abstractmethod
    def reason(self, handle: Any) -> str | None:
        """Why a job that has ended has failed, None if it has not.

        Raises:
            ChildProcessError: it did not come to tell, and how it ended.
        """

    @abstractmethod
    def stop(self, handles: list[Any]) -> None:
        """Let jobs stop where they can go on later, and wait for that."""

    def launched(self, jobs: Iterable[Job]) -> Generator[Ended, None, None]:
        """See the function of this name."""
        running: list[Running] = []
        drawn, waiting = iter(jobs), None
        number = 0
        self.prepare()
        try:
            while True:
                if waiting is None and (self.n_jobs is None or len(running) < self.n_jobs):
                    waiting = next(drawn, None)
                if waiting is not None and self.has_room(waiting):
                    with undivided():
                        running.append(Running(waiting, self.begin(waiting, number), time.monotonic()))
                    waiting, number = None, number + 1
                    continue
                if not running:
                    return
                handle = self.first_ended([one.handle for one in running])
                [ended] = [one for one in running if one.handle == handle]
                running.remove(ended)
                yield Ended(ended.job, time.monotonic() - ended.start, self._reason(ended))
        finally:
            if running:
                self.stop([one.handle for one in running])
            self._say_stopped()

    def _say_stopped(self) -> None:
        if code := stop_code():
            HydraConfig.instance().set_config(self.config)  # else no job in this process has done so
            say_stopped(code, ["src.train", *sys.argv[1:]])

    def _reason(self, ended: Running) -> str | None:
        try:
            return self.reason(ended.handle)
        except ChildProcessError as error:
            return ended.job.note_death(str(error))


class Remote(Streaming):
    """Hands jobs to another program, which knows the machines to run them on: those have the same files."""

    def work(self, job: Job, number: int) -> RemoteWork:
        return RemoteWork(super().work(job, number), job.run.folder / LOG, sys.argv, Path.cwd())

    @staticmethod
    def let_import() -> None:
        """Processes that this one starts find what is found here."""
        os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([str(PROJECT), *map(os.path.abspath, sys.path)]))
