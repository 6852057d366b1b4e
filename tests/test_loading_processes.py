"""Loading processes that stop or are killed end the run with a line, and the run can go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import Dataset

from src.console.messages import UserError, in_words
from src.datasets.loader import Loader
from tests.conftest import PROJECT
from tests.sources import data_module

COMMAND = ["data=images", "data.path=photos", "data.size=8", "data.num_workers=1", "data.batch_size=2", "net=linear"]
COMMAND += ["name=r", "trainer=cpu", "callbacks.early_stopping=null", "callbacks.last.every_seconds=0.0"]
LAST = Path("outputs/r/checkpoints/last.ckpt")


def started(*overrides: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "src.train", *COMMAND, *overrides]
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def loading_processes(process: subprocess.Popen[str]) -> list[int]:
    """Those of a run that has learnt already."""
    while not LAST.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


CASES = {
    signal.SIGSTOP: "The loading processes have not answered for 2 seconds for examples photos/",
    signal.SIGKILL: "The system ends one where memory is short: try fewer of them, data.num_workers=",
}


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to find the loading processes")
@pytest.mark.slow
@pytest.mark.parametrize("number", CASES)
def test_a_loading_process_that_is_lost_ends_the_run_with_a_line(number, photos):
    process = started("trainer.max_epochs=1000000", "data.timeout=2", "scheduler=constant")
    pids = loading_processes(process)
    assert pids
    for pid in pids:
        os.kill(pid, number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert CASES[number] in said
    assert "Traceback" not in said
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    last = LAST.stat().st_mtime_ns
    again = started("trainer.max_epochs=1000000", "data.timeout=2", "scheduler=constant")
    while LAST.stat().st_mtime_ns == last:
        assert again.poll() is None, again.communicate()
        time.sleep(0.05)
    again.terminate()
    assert "Stopped. To go on" in again.communicate(timeout=60)[1]


class Stuck(Dataset):
    """Forty examples, of which one never comes where there is a loading process."""

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        if index == 7 and torch.utils.data.get_worker_info():
            time.sleep(600)
        return torch.zeros(2), index % 2


def stuck(size: int) -> Dataset:
    return Stuck()


def test_the_examples_that_were_awaited_are_named():
    target = "data.dataset._target_=tests.test_loading_processes.stuck"
    data = data_module("data=own", target, "data.split_seed=null", size=1, num_workers=1, timeout=0.3, batch_size=3)
    loader = data.loader("train")
    assert isinstance(loader, Loader)
    with pytest.raises(RuntimeError) as failed:
        list(loader)
    said = in_words(failed.value)
    assert said is not None
    assert said.startswith("The loading processes have not answered for 0.3 seconds for examples 6, 7, 8. Is one")
    assert "data.timeout=" in said


def test_the_time_has_a_limit_only_with_processes():
    def limit(**changes: Any) -> float:
        return data_module("data=wine", **changes).loader("train").timeout

    assert (limit(), limit(num_workers=1), limit(num_workers=1, timeout=None)) == (0, 300, 0)
    with pytest.raises(UserError, match=r"data.timeout=-1: at least 0 seconds"):
        limit(timeout=-1)


def test_other_errors_of_loading_are_not_taken_for_these():
    assert in_words(RuntimeError("DataLoader is my name")) is None
    assert in_words(RuntimeError("Caught RuntimeError in DataLoader worker process 0.")) is None
