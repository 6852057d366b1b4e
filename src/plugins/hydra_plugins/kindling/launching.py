"""Jobs handed to a launcher, and how each has ended."""

from __future__ import annotations

import gc
import time
from collections.abc import Generator, Iterable

from hydra.core.utils import JobStatus
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from omegaconf.errors import OmegaConfBaseException

from src.cli.errors import words
from src.sweeps.job import Ended, Job


def launched(launcher: Launcher, jobs: Iterable[Job]) -> Generator[Ended, None, None]:
    """How each job has ended, as soon as it has; the next job is taken only when there is room for it."""
    for number, job in enumerate(jobs):
        start, reason = time.monotonic(), _launch(launcher, job, number)
        if reason is not None:
            gc.collect()  # the error's traceback holds what the job has left in memory
        yield Ended(job, time.monotonic() - start, reason)


def _launch(launcher: Launcher, job: Job, number: int) -> str | None:
    """Run a job; returns why it has failed, None if it has not."""
    try:
        [result] = launcher.launch([job.overrides], number)
    except (HydraException, OmegaConfBaseException) as error:  # it cannot be composed
        return words(error)
    if isinstance(result._return_value, BrokenPipeError):
        raise result._return_value
    return str(result._return_value) if result.status == JobStatus.FAILED else None
