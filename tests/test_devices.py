"""Processes that train one net together end together, whatever happens to one of them, and the run goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning as L
import pytest

from tests.conftest import PROJECT
from tests.test_faults import GO_ON, TINY
from tests.test_killed import assert_same, left


class Strike(L.Callback):
    """After the sixth step the process $STRUCK gets the signal $BLOW (0: raises an error), once."""

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        is_due = (trainer.global_rank, trainer.global_step) == (int(os.environ.get("STRUCK", -1)), 6)
        if is_due and not Path("struck").exists():
            Path("struck").touch()
            assert os.environ["BLOW"] != "0", "struck"
            os.kill(os.getpid(), int(os.environ["BLOW"]))


def alive(group: int) -> list[str]:
    """The processes of a group that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, of = stat.read_text().rpartition(")")[2].split()[:3]
            found += [stat.parent.name] if int(of) == group and state != "Z" else []
    return found


def on_two_devices(name: str, *overrides: str, **env: str) -> tuple[int, str]:
    """The exit code, and what was said; 30 seconds after the blow at the latest all processes have ended."""
    command = [sys.executable, "-m", "src.train", *TWO.split(), f"name={name}", *overrides]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "HYDRA_FULL_ERROR": "0", **env}
    struck = Path("struck")
    with Path("said.txt").open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env=environment, start_new_session=True)
    while process.poll() is None or alive(process.pid):
        assert not (env and struck.exists()) or time.time() - struck.stat().st_mtime < 30, alive(process.pid)
        time.sleep(0.1)
    return process.returncode, Path("said.txt").read_text()


TWO = f"{TINY} trainer=cpu trainer.devices=2 +callbacks.fault._target_=tests.test_devices.Strike"


@pytest.fixture
def two_undisturbed(finished_runs: Path) -> None:
    """outputs/whole; trained once."""
    if not (finished_runs / "two").exists():
        code, said = on_two_devices("whole")
        assert code == 0, said
        shutil.copytree("outputs/whole", finished_runs / "two")
    else:
        shutil.copytree(finished_runs / "two", "outputs/whole")


BLOWS = {
    "24 kill -9 of the first": ("0", "9", -9, "Error: Another of the processes that train together", "Traceback"),
    "24 kill -9 of the second": ("1", "9", 1, "Error: Another of the processes that train together", "Traceback"),
    "24 SIGTERM to the second": ("1", "15", 143, GO_ON, "Traceback"),
    "24 an error in the second": ("1", "0", 1, "AssertionError: struck", "peer"),
}


@pytest.mark.slow
@pytest.mark.parametrize("blow", BLOWS)
def test_a_blow_to_one_process_ends_all(blow, two_undisturbed):
    struck, number, code, reads, reads_not = BLOWS[blow]
    ended_with, said = on_two_devices("run", STRUCK=struck, BLOW=number)
    assert ended_with == code, said
    assert reads in said
    assert reads_not not in said
    code, said = on_two_devices("run")
    assert code == 0, said
    assert_same(left("whole"), left("run"))
