"""The table of faults: each is injected for real; what the user reads, the exit code, and what is on the disk."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import shlex
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from src.callbacks.progress import RunProgress
from src.datamodule import DataModule
from src.files.checkpoints import load_checkpoint
from src.files.results import read_results
from src.module import SupervisedModule
from tests.conftest import PROJECT
from tests.test_killed import assert_same, left

TINY = "data=wine net=mlp net.hidden=[8] trainer.max_epochs=4 callbacks.last.every_seconds=0"
TRAIN = f"train {TINY} name=run"
PREDICT = "predict outputs/run new.csv.gz -o answers.csv"
RUN = Path("outputs/run")
WINE = PROJECT / "src/datasets/shipped/wine.csv.gz"


# --- how a fault is injected: in the run's own process, before it begins --------------------------------------------


def when(owner: type, name: str, act: Callable[..., object], nth: int = 0) -> Callable[[], None]:
    """`act` happens at a certain call of a method, from 0, and gets what that gets."""

    def inject() -> None:
        method, calls = getattr(owner, name), count()

        def then(*arguments: Any, **options: Any) -> Any:
            if next(calls) == nth:
                act(*arguments)
            return method(*arguments, **options)

        setattr(owner, name, then)

    return inject


def step(act: Callable[..., object], nth: int = 9) -> Callable[[], None]:
    """`act` happens after a step of training; an epoch has 4."""
    return when(RunProgress, "on_train_batch_end", act, nth)


def receive(*numbers: int) -> Callable[..., None]:
    """Signals, a second between them."""

    def act(*_: Any) -> None:
        for number in numbers:
            os.kill(os.getpid(), number)
            time.sleep(1 if len(numbers) > 1 else 0)

    return act


def killed_while_writing() -> None:
    """The seventh checkpoint breaks off in its middle; temporary files lie on another file system."""
    tempfile.tempdir, save, calls = "/dev/shm", torch.save, count()

    def half(checkpoint: object, file: Any) -> None:
        if next(calls) < 6:
            return save(checkpoint, file)
        save(checkpoint, content := BytesIO())
        file.write(content.getvalue()[: len(content.getvalue()) // 2])
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    torch.save = half


def obey_modes() -> None:
    """Root may write everywhere, until it gives up its capabilities."""
    if sys.platform == "linux":
        header, none = struct.pack("Ii", 0x20080522, 0), bytes(24)
        assert ctypes.CDLL(None).capset(header, none) == 0


def read_only(folder: Path) -> Callable[..., None]:
    def act(*_: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for path in (*folder.rglob("*"), folder):
            path.chmod(0o555)
        obey_modes()

    return act


def poison(callback: object, trainer: object, module: torch.nn.Module, *_: Any) -> None:
    next(module.parameters()).data.fill_(float("nan"))


def small_files(*_: Any) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))


def slurm() -> None:
    """A job of Slurm's, whose time is nearly up after some steps."""
    Path("bin").mkdir()
    Path("bin/scontrol").write_text("#!/bin/sh\necho scontrol $*\n")
    Path("bin/scontrol").chmod(0o755)
    os.environ.update(PATH=f"{Path('bin').absolute()}:{os.environ['PATH']}", SLURM_JOB_ID="77")
    step(receive(signal.SIGUSR1))()


def clock_set_back(*_: Any) -> None:
    now = time.time
    time.time = lambda: now() - 1e7
    for path in RUN.rglob("*"):
        os.utime(path, (now() + 1e7, now() + 1e7))


def closed(number: int) -> Callable[[], None]:
    def inject() -> None:
        os.close(number)
        setattr(sys, ("stdin", "stdout", "stderr")[number], None)

    return inject


def full_output() -> None:
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)


def nothing() -> None:
    pass


class Row(NamedTuple):
    """A line of the table.

    Args:
        reads: what the user reads, ` ... ` for what is left out.
        leaves: what is on the disk afterwards. `goes on`: states that can be read, and nothing half-written; the same
            command ends as a run that was never disturbed. `ends`: such a run. `finished`: a run. `nothing`: no run.
            `as it was`: the files that were there before.
    """

    fault: str
    inject: Callable[[], object]
    typed: str
    code: int
    reads: str
    leaves: str


GO_ON = "To go on: python -m src.train"
TAKEN = "was removed, or moved, while it was trained. It begins again with: python -m src.train"
ONE_SECOND = f"{TRAIN} trainer.max_time=00:00:00:01"
ROWS = [
    Row("2 killed while it writes a checkpoint", killed_while_writing, TRAIN, -9, "", "goes on"),
    Row("6 Ctrl-C a second time", step(receive(2, 2)), TRAIN, 130, GO_ON, "goes on"),
    Row("7 SIGTERM in set-up", when(DataModule, "setup", receive(15)), TRAIN, 143, "Stopped before", "nothing"),
    Row("7 SIGTERM in the test", when(RunProgress, "on_test_start", receive(15)), TRAIN, 143, GO_ON, "goes on"),
    Row("7 SIGTERM in predict", when(SupervisedModule, "forward", receive(15)), PREDICT, 143, "", "as it was"),
    Row("12 limit of a file's size", step(small_files), TRAIN, 1, "It needs about 0.0 MB", "goes on"),
    Row("13 read-only outputs/", read_only(Path("outputs")), TRAIN, 1, "Permission denied", "nothing"),
    Row("18 NaN in the weights", step(poison), TRAIN, 1, "train/loss is nan in epoch 2, step 10", "goes on"),
    Row("18 NaN at the first step", step(poison, 0), TRAIN, 1, "train/loss is nan in epoch 0, step 1", "nothing"),
    Row("27 Slurm's time is up", slurm, TRAIN, 138, f"scontrol requeue 77 ... starts it again. {GO_ON}", "goes on"),
    Row("clock set back", step(clock_set_back), TRAIN, 0, "test/accuracy", "ends"),
    Row("stdin closed", closed(0), TRAIN, 0, "test/accuracy", "ends"),
    Row("stdout closed", closed(1), TRAIN, 0, "", "ends"),
    Row("stderr closed", closed(2), TRAIN, 0, "test/accuracy", "ends"),
    Row("stdout on a full disk", full_output, TRAIN, 1, "standard output cannot be written: No space left", "ends"),
    Row("name of 300 characters", nothing, f"train {TINY} name={'n' * 300}", 1, "File name too long", "nothing"),
    Row("name of 200 characters", nothing, f"train {TINY} name={'n' * 200}", 0, "test/accuracy", "ends"),
    Row("name with space, = and unicode", nothing, f"train {TINY} 'name=\"a b=ü\"'", 0, "test/accuracy", "ends"),
    Row("folder removed", step(lambda *_: shutil.rmtree(RUN)), TRAIN, 1, f"outputs/run {TAKEN}", "nothing"),
    Row("folder moved", step(lambda *_: RUN.rename("moved")), TRAIN, 1, f"outputs/run {TAKEN}", "nothing"),
    Row("folder made read-only", step(read_only(RUN)), TRAIN, 1, f"Permission denied. ... {GO_ON}", "goes on"),
    Row("time is up", step(lambda *_: time.sleep(1)), ONE_SECOND, 0, "trainer.max_time was up after 3 ep", "finished"),
]


def files() -> dict[Path, bytes]:
    said = Path("said.txt")
    return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file() and path != said}


def ended(process: int) -> tuple[int, str]:
    """The exit code of a process, and what it has said."""
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), Path("said.txt").read_text()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault)
def test_a_fault(row, forked, train, finished):
    command, *arguments = shlex.split(row.typed)
    if command != "train":
        finished(*TINY.split(), "name=run")
        shutil.copy(WINE, "new.csv.gz")
    before = files()
    code, said = ended(forked(command, *arguments, before=row.inject))
    assert code == row.code, said
    assert re.search(".*".join(map(re.escape, row.reads.split(" ... "))), said, re.DOTALL), said
    assert "Traceback" not in said
    for folder in Path().rglob("*/"):
        folder.chmod(0o755)
    if row.leaves == "nothing":
        assert not list(Path("outputs").glob("*"))
    elif row.leaves == "as it was":
        assert files() == before
    else:
        name = next(a for a in arguments if a.startswith("name=")).removeprefix("name=").strip('"')
        run = Path("outputs") / name
        assert (read_results(run / "results.json").get("status") == "finished") == (row.leaves != "goes on")
        for path in run.glob("checkpoints/[!.]*.ckpt"):
            load_checkpoint(path)
        if row.leaves == "goes on":
            train(*arguments)
        if row.leaves != "finished":
            finished(*(a for a in arguments if not a.startswith("name=")), "name=whole")
            assert_same(left("whole"), left(name))
        assert not list(Path().rglob("*partial*"))
