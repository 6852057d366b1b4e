"""One job of a sweep: run in this process or for another, and why it has failed."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from hydra import version
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.utils import JobRuntime, JobStatus
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from src.cli.command import explained
from src.cli.errors import words
from src.config.compose import VERSION, use_folder
from src.console.cores import cores
from src.console.screen import screen_of_sweep
from src.console.signals import stoppable


def run_job(launcher: Launcher, overrides: Sequence[str], number: int) -> str | None:
    """Let a launcher of Hydra's run one job; returns why it has failed, None if it has not."""
    try:
        [result] = launcher.launch([overrides], number)
    except (HydraException, OmegaConfBaseException) as error:  # it cannot be composed
        return words(error)
    if isinstance(result._return_value, BrokenPipeError):
        raise result._return_value
    return str(result._return_value) if result.status == JobStatus.FAILED else None


@dataclass
class Work:
    """A job for another process than the sweep's, or another machine that has the same files.

    Args:
        context, config: Hydra's, of the sweep.
        folder: the sweep's.
    """

    context: HydraContext
    config: DictConfig
    folder: str
    overrides: Sequence[str]
    number: int

    def __call__(self) -> str | None:
        """`run_job`, in a process that knows nothing of it yet."""
        import torch

        torch.set_num_threads(min(torch.get_num_threads(), cores()))
        train: Any = import_module("src.train")
        for base in VERSION.values():  # what `hydra.main` does
            version.setbase(base)
        JobRuntime.instance().set("name", self.config.hydra.job.name)
        use_folder(self.folder)
        launcher = BasicLauncher()
        task = explained(train.main.__wrapped__)
        launcher.setup(hydra_context=self.context, task_function=task, config=self.config)
        return run_job(launcher, self.overrides, self.number)


@dataclass
class RemoteWork:
    """The same in a process that another program has started.

    Args:
        log: a file in a folder of the job's own, where all that is said goes.
        command: what was typed for the sweep.
        folder: where.
    """

    work: Work
    log: Path
    command: list[str]
    folder: Path

    def __call__(self) -> str | None:
        os.chdir(self.folder)
        sys.argv[:] = self.command
        logging.raiseExceptions = False  # Hydra closes what that program logs into
        with ExitStack() as around:
            file = around.enter_context(_opened(self.log))
            for context in (redirect_stdout(file), redirect_stderr(file), stoppable(), screen_of_sweep(elsewhere=True)):
                around.enter_context(context)
            try:
                return self.work()
            except SystemExit as stopped:
                return f"it was stopped, with exit code {stopped.code}"

    def checkpoint(self) -> Any:
        """Slurm's time is up, or it takes the machine away: submitit queues it again, and the run goes on."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


@contextmanager
def _opened(log: Path) -> Iterator[IO[str]]:
    """To write at its end. An empty one does not stay."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", buffering=1) as file:
        yield file
    if log.exists() and log.stat().st_size == 0:
        log.unlink()
