"""A job of a sweep on several devices, for each of which Lightning starts a process with the command of this one."""

from __future__ import annotations

import sys
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import read_write

from src.config.compose import added_folders
from src.console.messages import UserError


def run_alone(folder: Path, devices: int) -> None:
    """Let that command be the job's, in its own folder, and not its sweep's.

    Raises:
        UserError: this process is the sweep's.
    """
    if parent_process() is None:
        raise UserError(
            f"This sweep trains each job on one device, not {devices}: add launcher=local, or trainer.devices=1."
        )
    hydra_cfg: Any = HydraConfig.get()
    with read_write(hydra_cfg):
        hydra_cfg.run.dir = str(folder)
    flags = [word for added in added_folders(hydra_cfg) for word in ("--config-dir", added)]
    of_hydra = [override for override in hydra_cfg.overrides.hydra if not override.startswith("hydra.mode=")]
    sys.argv[1:] = [*flags, *of_hydra, *hydra_cfg.overrides.task]
