"""The sweeper of `-m`: every combination of the lists, those that are done skipped."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from itertools import takewhile
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.kindling.launching import launched
from omegaconf import DictConfig, OmegaConf

from src.cli.errors import ExplainedError
from src.console.messages import UserError
from src.sweeps.configs import JobConfigs
from src.sweeps.job import Job
from src.sweeps.sweep import Sweep

MOST_COMPOSED = 20  # jobs before the first: each that chooses other files takes a tenth of a second
NODE = {"_target_": "hydra_plugins.kindling.grid.Grid", "params": None}  # params: overrides that stand in a YAML
ConfigStore.instance().store(group="hydra/sweeper", name="grid", node=NODE, provider="kindling")


class Grid(BasicSweeper):
    """Hydra's own, but a folder of jobs is gone on with, and a bad job is not the end."""

    def __init__(self, params: dict[str, str] | None) -> None:
        super().__init__(max_batch_size=None, params=params)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        loader: Any = hydra_context.config_loader
        hydra_context.config_loader = JobConfigs(loader.get_search_path())
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> None:
        assert self.config is not None
        assert self.launcher is not None
        overrides = self.parsed([*self._parse_config(), *arguments])
        if "search" in self.config:  # of a YAML
            raise UserError(f"search.{next(iter(self.config.search))} needs a search: add search=optuna.")
        for override in overrides:
            if override.is_sweep_override() and not override.is_discrete_sweep():
                raise UserError(
                    f"{override.input_line}: a grid needs values, such as 0.001,0.01 or 'range(10)'. To search between "
                    "the two add search=optuna."
                )
        [jobs] = self.split_arguments(overrides, None)
        sweep = Sweep(jobs, self.config)
        with sweep.claimed():
            to_run = sweep.plan()
            self.validate_batch_is_legal(self._each_choice_once(to_run))
            sweep.say_plan()
            OmegaConf.save(self.config, sweep.folder / "multirun.yaml")
            stream = launched(self.launcher, takewhile(lambda _: not sweep.is_over, to_run))
            with sweep.shown(), closing(stream):
                for ended in stream:
                    sweep.has_ended(ended)
        if not sweep.report():
            raise ExplainedError

    def parsed(self, arguments: list[str]) -> list[Override]:
        """Overrides, with the choices that `glob` may find."""
        assert self.hydra_context is not None
        return OverridesParser.create(config_loader=self.hydra_context.config_loader).parse_overrides(arguments)

    def _each_choice_once(self, jobs: Sequence[Job]) -> list[list[str]]:
        """So few of the jobs that a key or choice which no job can have is seen before the first begins."""
        assert self.hydra_context is not None
        loader = self.hydra_context.config_loader
        groups = {key for job in jobs[:1] for key in job.values if loader.get_group_options(key)}
        seen: set[str] = set()
        chosen = []
        for job in jobs:
            parts = {f"{key}={value}" if key in groups else key for key, value in job.values.items()}
            if not seen.issuperset(parts):
                seen |= parts
                chosen.append(job.overrides)
        return chosen[:MOST_COMPOSED]
