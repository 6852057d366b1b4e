"""The sweeper of `-m`: every combination of the lists, those that are done skipped."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobStatus
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from src.cli.errors import ExplainedError, words
from src.console.messages import UserError
from src.sweeps.job import Job
from src.sweeps.sweep import Sweep

MOST_COMPOSED = 20  # jobs before the first: each takes a tenth of a second


NODE = {"_target_": "hydra_plugins.kindling.grid.Grid", "params": None}  # params: overrides that stand in a YAML
ConfigStore.instance().store(group="hydra/sweeper", name="grid", node=NODE, provider="kindling")


class Grid(BasicSweeper):
    """Hydra's own, but a folder of jobs is gone on with, and a bad job is not the end."""

    def __init__(self, params: dict[str, str] | None) -> None:
        super().__init__(max_batch_size=None, params=params)

    def sweep(self, arguments: list[str]) -> None:
        assert self.config is not None
        assert self.hydra_context is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        overrides = parser.parse_overrides([*self._parse_config(), *arguments])
        for override in overrides:
            if override.is_sweep_override() and not override.is_discrete_sweep():
                raise UserError(f"{override.input_line}: a grid needs values, such as 0.001,0.01 or 'range(10)'.")
        [jobs] = self.split_arguments(overrides, None)
        sweep = Sweep(jobs, self.config)
        with sweep.claimed():
            to_run = sweep.plan()
            self.validate_batch_is_legal(_each_value_once(to_run))
            sweep.say_plan()
            OmegaConf.save(self.config, sweep.folder / "multirun.yaml")
            with sweep.shown():
                for number, job in enumerate(to_run):
                    if sweep.is_over:
                        break
                    self._run(sweep, job, number)
        if not sweep.report():
            raise ExplainedError

    def _run(self, sweep: Sweep, job: Job, number: int) -> None:
        start, reason = time.monotonic(), self._launch(job, number)
        if reason is not None:
            gc.collect()  # the error's traceback holds what the job has left in memory
        sweep.has_ended(job, time.monotonic() - start, reason)

    def _launch(self, job: Job, number: int) -> str | None:
        """Run a job; returns why it has failed, None if it has not."""
        assert self.launcher is not None
        try:
            [result] = self.launcher.launch([job.overrides], number)
        except (HydraException, OmegaConfBaseException) as error:  # it cannot be composed
            return words(error)
        if isinstance(result._return_value, BrokenPipeError):
            raise result._return_value
        return str(result._return_value) if result.status == JobStatus.FAILED else None


def _each_value_once(jobs: Sequence[Job]) -> list[list[str]]:
    """So few of the jobs that a value which no job can have is seen before the first begins."""
    seen: set[str] = set()
    chosen = []
    for job in jobs:
        if not seen.issuperset(job.overrides):
            seen.update(job.overrides)
            chosen.append(job.overrides)
    return chosen[:MOST_COMPOSED]
