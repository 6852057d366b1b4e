"""One job of a sweep: run in this process, and why it has failed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

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
from src.config.compose import VERSION
from src.datasets.loading import cores


def run_job(launcher: Launcher, overrides: Sequence[str], number: int) -> str | None:
    """Let a launcher of Hydra's run one job; returns why it has failed, None if it has not."""
    try:
        [result] = launcher.launch([overrides], number)
    except (HydraException, OmegaConfBaseException) as error:  # it cannot be composed
        return words(error)
    if isinstance(result._return_value, BrokenPipeError):
        raise result._return_value
    return str(result._return_value) if result.status == JobStatus.FAILED else None


def run_elsewhere(context: HydraContext, config: DictConfig, overrides: Sequence[str], number: int) -> str | None:
    """`run_job` in another process than the sweep's, or on another machine.

    Args:
        context, config: Hydra's, of the sweep.
    """
    import torch

    torch.set_num_threads(min(torch.get_num_threads(), cores()))
    train: Any = import_module("src.train")
    for base in VERSION.values():  # what `hydra.main` does
        version.setbase(base)
    JobRuntime.instance().set("name", config.hydra.job.name)
    launcher = BasicLauncher()
    launcher.setup(hydra_context=context, task_function=explained(train.main.__wrapped__), config=config)
    return run_job(launcher, overrides, number)
