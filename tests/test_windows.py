"""What only POSIX has is not needed: without it Kindling trains, predicts and scores."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from src.datasets import loader
from src.files.disk_rows import DiskRows
from src.files.lock import lock
from tests.conftest import PROJECT

# Before anything of Kindling is imported: what Windows lacks is taken away, and what it has instead is stood in for.
ON_WINDOWS = """
import importlib, os, signal, subprocess, sys, types  # subprocess asks for msvcrt to know where it is

fcntl = __import__("fcntl")
posix = {"fork", "preadv", "pread", "getuid", "setsid", "killpg", "mkfifo", "nice"}
for name in posix:
    delattr(os, name)
for name in ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGPIPE", "SIGALRM", "SIGCHLD", "SIGKILL", "setitimer"):
    delattr(signal, name)
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
opens, syncs = os.open, os.fsync


def open_file(path, flags, *others, **more):
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", str(path))
    return opens(path, flags, *others, **more)


def fsync(file):
    if fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(9, "Bad file descriptor")
    syncs(file)


def locking(file, mode, count):
    assert (mode, os.lseek(file, 0, os.SEEK_CUR), count) == (2, 0, 1)
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    print("locked")


os.open, os.fsync, os.O_BINARY = open_file, fsync, 0
msvcrt = sys.modules["msvcrt"] = types.ModuleType("msvcrt")
msvcrt.locking, msvcrt.LK_NBLCK = locking, 2



for verb, *arguments in COMMANDS:
    sys.argv = [f"src/{verb}.py", *arguments]
    importlib.import_module(f"src.{verb}").main()
for module in MODULES:
    importlib.import_module(module)
"""


@pytest.mark.slow
def test_without_what_windows_lacks_it_trains_predicts_and_scores(folder):
    rows = np.random.default_rng(0).normal(size=(60, 2))
    Path("t.csv").write_text("a,b\n" + "".join(f"{a},{a + 0.1 * b}\n" for a, b in rows))
    read_from_disk = ("data=table", "data.path=t.csv", "data.target=b", "data.in_memory=false", "data.cache=cache")
    commands = (
        ("train", *read_from_disk, "net.hidden=[4]", "trainer.max_epochs=1", "name=run"),
        ("predict", "outputs/run", "t.csv", "-o", "p.csv"),
        ("evaluate", "outputs/run", "--resamples", "0"),
    )
    modules = [".".join(p.relative_to(PROJECT).with_suffix("").parts) for p in (PROJECT / "src").rglob("*.py")]
    done = subprocess.run(
        [sys.executable, "-c", f"COMMANDS, MODULES = {commands}, {modules}\n{ON_WINDOWS}"],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(Path("outputs/run/results.json").read_text())["status"] == "finished"
    assert Path("p.csv").read_text().count("\n") == 61
    assert "test/r2" in done.stdout
    assert done.stdout.count("locked") >= 3  # the run, and the table, which each verb opens


def test_a_lock_holds_off_others_by_msvcrt_too(monkeypatch, folder):
    """Another process has the file for a while: one that does not wait is refused, one that waits gets it."""
    calls: list[int] = []

    class Msvcrt:
        LK_NBLCK = 2

        @staticmethod
        def locking(file: int, mode: int, count: int) -> None:
            calls.append(file)
            if len(calls) < 4:
                raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("src.files.lock.fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", Msvcrt)
    with Path("lock").open("a") as file:
        with pytest.raises(OSError, match="Permission denied"):
            lock(file)
        lock(file, waits=True)
    assert len(calls) == 4


def test_rows_are_the_same_without_preadv(monkeypatch):
    array = np.arange(60.0).reshape(20, 3)
    Path("rows.bin").write_bytes(b"head" + array.tobytes())
    rows = DiskRows("rows.bin", "float64", (20, 3), offset=4)
    wanted = [3, 4, 5, 0, 19, 7]
    monkeypatch.delattr(os, "preadv")
    assert np.array_equal(rows[wanted], array[wanted])
    assert np.array_equal(rows[2:9], array[2:9])


def test_ctrl_c_stops_it_where_slurms_signal_is_not_known(forked, monkeypatch):
    def stops(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.delattr(signal, "SIGUSR1")
    monkeypatch.setattr("src.callbacks.history.History.on_train_epoch_end", stops)
    _, status = os.waitpid(forked("train", "data=wine", "net.hidden=[8]", "trainer.max_epochs=2", "name=a"), 0)
    assert os.waitstatus_to_exitcode(status) == 130
    assert "Stopped. To go on: python -m src.train" in Path("said.txt").read_text()


def test_loading_processes_are_ended_where_no_signal_tells_of_it(monkeypatch):
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    process.start()
    iterator = type("Iterator", (), {"_workers": [process]})()
    loader._running.add(iterator)
    monkeypatch.delattr(signal, "SIGCHLD")
    loader._end_processes()
    assert process.exitcode == -signal.SIGKILL
