"""launcher=ray: each job is a task of a Ray cluster."""

from __future__ import annotations

import logging
import signal
import time
from typing import Any, cast

from hydra_plugins.kindling.launching import Remote, register
from omegaconf import DictConfig, OmegaConf

from src.cli.job import RemoteWork
from src.console.extras import need
from src.console.messages import first_line
from src.console.signals import undivided
from src.sweeps.job import Job

register("ray", "hydra_plugins.kindling.ray.Ray", "n_jobs", "address", "options")
PAUSE = 0.1  # seconds between two looks


class Ray(Remote):
    """Ray finds room for the jobs, by what each needs.

    Args:
        address: of the cluster; None: one of this machine alone, which ends with the sweep.
        options: what a job needs, as `ray.remote` takes it.
    """

    def __init__(self, n_jobs: int | None, address: str | None, options: DictConfig) -> None:
        super().__init__(n_jobs)
        self.address, self.options = address, cast(dict[str, Any], OmegaConf.to_container(options))

    def setup(self, **options: Any) -> None:
        super().setup(**options)
        need("launcher=ray", "ray", "ray")

    def prepare(self) -> None:
        before = signal.getsignal(signal.SIGTERM)
        import ray

        self.let_import()
        logging.getLogger("ray").setLevel(logging.ERROR)
        if not ray.is_initialized():
            ray.init(self.address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
        signal.signal(signal.SIGTERM, before)  # which Ray has taken
        # A process for each job: as it dies, so may the next.
        self.task = ray.remote(max_retries=0, max_calls=1, **self.options)(RemoteWork.__call__)

    def begin(self, job: Job, number: int) -> Any:
        return self.task.remote(self.work(job, number))

    def first_ended(self, handles: list[Any]) -> Any:
        import ray

        while True:
            with undivided():  # inside of Ray's waiting a signal would come to another exit code
                ended, _ = ray.wait(handles, timeout=0)
            if ended:
                return ended[0]
            time.sleep(PAUSE)

    def reason(self, handle: Any) -> str | None:
        import ray

        try:
            return ray.get(handle)
        except ray.exceptions.RayError as error:
            raise ChildProcessError(first_line(error)) from error

    def stop(self, handles: list[Any]) -> None:
        import ray

        for handle in handles:
            ray.cancel(handle)
        while ray.wait(handles, num_returns=len(handles), timeout=0)[1]:
            time.sleep(PAUSE)
