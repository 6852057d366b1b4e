"""launcher=slurm: each job is one of the cluster's, by submitit."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, cast

from hydra_plugins.kindling.launching import Remote, register
from omegaconf import DictConfig, OmegaConf

from src.console.extras import need
from src.console.messages import UserError
from src.sweeps.job import Job

register("slurm", "hydra_plugins.kindling.slurm.Slurm", "n_jobs", "cluster", "parameters")
PAUSE = 0.5  # seconds between two looks; submitit asks Slurm itself far less often


class Slurm(Remote):
    """What submitit says of the jobs is in the sweep's folder, in .submitit.

    Args:
        cluster: slurm; local: processes of this machine.
        parameters: of submitit's executor.
    """

    def __init__(self, n_jobs: int | None, cluster: str, parameters: DictConfig) -> None:
        super().__init__(n_jobs)
        self.cluster, self.parameters = cluster, cast(dict[str, Any], OmegaConf.to_container(parameters))

    def setup(self, **options: Any) -> None:
        super().setup(**options)
        need("launcher=slurm", "submitit", "slurm")

    def prepare(self) -> None:
        import submitit

        self.let_import()
        try:
            self.executor = submitit.AutoExecutor(f"{self.config.hydra.sweep.dir}/.submitit", cluster=self.cluster)
            self.executor.update_parameters(**self.parameters)
        except (RuntimeError, ValueError, NameError, TypeError) as error:
            raise UserError(f"launcher.cluster={self.cluster}, launcher.parameters: {error}") from error

    def begin(self, job: Job, number: int) -> Any:
        return self.executor.submit(self.work(job, number))

    def first_ended(self, handles: list[Any]) -> Any:
        while True:
            for handle in handles:
                if handle.done():
                    return handle
            time.sleep(PAUSE)

    def reason(self, handle: Any) -> str | None:
        from submitit.core.utils import UncompletedJobError

        try:
            return handle.result()
        except UncompletedJobError as error:
            raise ChildProcessError(f"its job {handle.job_id} has ended: {_last_line(error)}") from error

    def stop(self, handles: list[Any]) -> None:
        for handle in handles:
            handle.cancel(check=False)
        for handle in handles:
            with suppress(Exception):
                handle.wait()


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip()
