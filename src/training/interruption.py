"""A run that ends before its time: by which signal, and what goes on with it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from src.console.signals import STOPPING, stop_code

PLACES = ("name=", "hydra.run.dir=", "hydra.sweep.dir=")  # overrides by which the same command finds the same folder


def stopped_by(error: BaseException) -> int | None:
    """The exit code, if a signal to this process, or to another of those that train together, has stopped the run."""
    code = error.code if isinstance(error, SystemExit) else None
    return stop_code() or (code if isinstance(code, int) and code - 128 in STOPPING else None)


def command_to_go_on(command: list[str]) -> str:
    """For the run of what was typed behind `python -m`, or for its whole sweep."""
    hydra_cfg = HydraConfig.get()
    folder = Path(hydra_cfg.sweep.dir if hydra_cfg.mode == RunMode.MULTIRUN else hydra_cfg.run.dir)
    name = [f"name={folder.relative_to('outputs')}"] if folder.parts[0] == "outputs" and not _has_name(command) else []
    return f"python -m {shlex.join([*command, *name])}"


def say_stopped(code: int, command: list[str]) -> None:
    """By what the run, or its whole sweep, goes on."""
    again = " Slurm starts it again." if requeued(code, command) else ""
    print(f"Stopped.{again} To go on: {command_to_go_on(command)}", file=sys.stderr)


def requeued(code: int, command: list[str]) -> bool:
    """Whether Slurm, which has said that the job's time is nearly up, will start it again: its command goes on."""
    job = os.environ.get("SLURM_ARRAY_JOB_ID", os.environ.get("SLURM_JOB_ID"))
    if code != 128 + getattr(signal, "SIGUSR1", 0) or job is None or not _has_name(command):
        return False
    task = os.environ.get("SLURM_ARRAY_TASK_ID")
    try:
        done = subprocess.run(["scontrol", "requeue", f"{job}_{task}" if task else job], check=False)
    except OSError:
        return False
    return done.returncode == 0


def _has_name(command: list[str]) -> bool:
    return any(argument.lstrip("+").startswith(PLACES) for argument in command)
