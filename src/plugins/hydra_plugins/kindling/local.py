"""launcher=local: a process for each job, several at a time."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hydra.errors import HydraException
from hydra_plugins.kindling.launching import Streaming, register
from omegaconf.errors import OmegaConfBaseException

from src.config.compose import flat
from src.console.cores import SHARE, cores
from src.sweeps.gpus import gpus, wanted
from src.sweeps.job import LOG, Job
from src.sweeps.processes import JobProcess, asked, first_ended, start_server, stop

register("local", "hydra_plugins.kindling.local.Local", "n_jobs")
# Beside what the config names: every job imports them, so they are there before.
IMPORTED = (
    "src.cli.job",
    "src.training.executions",
    "src.callbacks.epoch_ends",
    "pandas",
    "matplotlib.backends.backend_agg",
)


class Local(Streaming):
    """Shares the processor cores and GPUs of this machine out among the jobs."""

    def prepare(self) -> None:
        named = [str(name) for key, name in flat(self.config).items() if key.endswith("_target_")]
        start_server([*IMPORTED, *(name.rpartition(".")[0] for name in named if name.startswith("src."))])
        self.gpus = asked(gpus)
        self.free, self.taken = list(self.gpus), dict[JobProcess, list[str]]()
        on_gpus = wanted(self.config.trainer, self.gpus) > 0
        self.n_jobs = self.n_jobs or (len(self.gpus) if on_gpus else cores())
        self.share = max(1, cores() // (min(self.n_jobs, len(self.gpus)) if on_gpus else self.n_jobs))

    def has_room(self, job: Job) -> bool:
        return len(self.free) >= self._gpus_for(job)

    def begin(self, job: Job, number: int) -> JobProcess:
        mine, self.free = self.free[: (count := self._gpus_for(job))], self.free[count:]
        environment = {SHARE: str(self.share)} | ({"CUDA_VISIBLE_DEVICES": ",".join(mine)} if mine else {})
        process = JobProcess(self.work(job, number), job.run.folder / LOG, environment)
        self.taken[process] = mine
        return process

    def first_ended(self, handles: list[Any]) -> Any:
        return first_ended(handles)

    def reason(self, handle: JobProcess) -> str | None:
        self.free += self.taken.pop(handle)
        return handle.end()

    def stop(self, handles: list[Any]) -> None:
        stop(handles)

    def _gpus_for(self, job: Job) -> int:
        """How many a job takes; one that cannot be composed none."""
        if not self.gpus:
            return 0
        with suppress(HydraException, OmegaConfBaseException):
            cfg = self.hydra_context.config_loader.load_sweep_config(self.config, job.overrides)
            return wanted(cfg.trainer, self.gpus)
        return 0
