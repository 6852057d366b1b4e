"""launcher=local: jobs in processes of their own, several at a time, of which none outlives the sweep."""

from __future__ import annotations

import ctypes
import importlib
import json
import multiprocessing.forkserver
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from hydra.core.plugins import Plugins

from src.console.cores import cores
from src.datasets.loading import Loading
from src.sweeps.gpus import wanted
from tests.conftest import PROJECT
from tests.test_devices import alive
from tests.test_sweeps import STUDY, TINY, jobs, moments, scores

FAULT = "+callbacks.fault._target_=tests.test_launchers.Fault"
LOCAL = ("launcher=local", "launcher.n_jobs=2")


class Fault(L.Callback):
    """In the fourth step it does as it is told; and notes in a file, seen/PROCESS, what its process has."""

    def __init__(self, does: str = "nothing") -> None:
        self.does = does

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.global_step != 4:
            return
        noted = {name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "KINDLING_CORES")}
        noted |= {"threads": torch.get_num_threads(), "begun": time.time(), "group": os.getpgid(0)}
        Path("seen").mkdir(exist_ok=True)
        partial = Path("seen", f".{os.getpid()}")
        partial.write_text(json.dumps(noted))
        partial.rename(Path("seen", str(os.getpid())))
        what, amount = f"{self.does}_".split("_")[:2]
        blows: dict[str, Callable[[], Any]] = {
            "nothing": lambda: None,
            "last": lambda: wait_until(lambda: len(list(STUDY.glob("*/results.json"))) == 3),
            "wait": lambda: time.sleep(float(amount)),
            "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
            "leave": lambda: os._exit(0),
            "exit": lambda: sys.exit(0),
            "segfault": lambda: ctypes.string_at(0),
            "raise": lambda: print("a word") or 1 / 0,
        }
        blows[what]()


def seen() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in Path("seen").glob("[0-9]*")]


def of_this_test(folder: Path) -> list[str]:
    """The processes that were started in this test's folder, and have not ended."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            is_alive = process.joinpath("stat").read_text().rpartition(")")[2].split()[0] != "Z"
            mark = f"OF_TEST={folder}".encode()
            found += [process.name] if is_alive and mark in process.joinpath("environ").read_bytes() else []
    return found


@pytest.fixture
def started(forked: Callable[..., int], folder: Path) -> Callable[..., int]:
    """`forked("train", ...)`, in which a new server of processes begins; all that it starts is `of_this_test`."""

    def before() -> None:
        os.environ["OF_TEST"] = str(folder)
        multiprocessing.forkserver._forkserver.__init__()  # this process' server is no child of that one

    return lambda *arguments: forked("train", "-m", *arguments, before=before)


def ended(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def wait_until(happened: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, Path("said.txt").read_text() if Path("said.txt").exists() else "too late"
        time.sleep(0.01)


# --- what comes of it -------------------------------------------------------------------------------------------------


def test_a_sweep_without_a_name_has_one_folder(python):
    assert python("src.train", "-m", *TINY, *LOCAL, "seed=0,1").returncode == 0
    [study] = Path("outputs").iterdir()
    assert len(scores(study)) == 2


@pytest.mark.quick
def test_the_same_jobs_folders_and_scores_as_without_it(call, capsys):
    for name, launcher in {"study": LOCAL, "other": ()}.items():
        assert call("train", "-m", *TINY, f"name={name}", "seed=0,1", *launcher) == 0
    assert scores(STUDY) == scores(Path("outputs/other"))
    assert not list(STUDY.glob("*/train.log"))
    written = moments()
    capsys.readouterr()
    assert call("train", "-m", *TINY, "name=study", "seed=1,0,2") == 0
    assert capsys.readouterr().out.startswith("2 done, 1 to run\n")
    assert moments().items() > written.items()


def test_a_process_that_dies_takes_nothing_with_it(call, capsys):
    deaths = {
        "kill": "its process was ended by SIGKILL, as where memory is short",
        "segfault": "its process was ended by SIGSEGV",
        "leave": "its process has ended, with exit code 0, before the run had",
        "exit": "SystemExit(0)",
        "raise": "ZeroDivisionError('division by zero')",
        "nothing": None,
    }
    arguments = (*TINY, *LOCAL, FAULT, "name=study")
    assert call("train", "-m", *arguments, f"+callbacks.fault.does={','.join(deaths)}") == 1
    out, err = capsys.readouterr()
    assert "5 of 6 jobs failed:" in err
    assert "Traceback" not in err + out
    for does, reason in deaths.items():
        [name] = [name for name in jobs() if f"does={does}" in name]
        assert jobs()[name].get("error") == reason
        assert f"does={does}  failed: {reason}" in out or reason is None
    log = next(STUDY.glob("*does=raise*/train.log")).read_text()
    assert log.count("Traceback") == 1
    assert "a word\n" in log
    assert "Segmentation fault" in next(STUDY.glob("*does=segfault*/train.log")).read_text()
    assert not list(STUDY.glob("*does=nothing*/train.log"))


def test_the_next_job_begins_as_soon_as_one_ends(call, capsys):
    """Not when all that began with it have."""
    does = "+callbacks.fault.does=last,wait_0.1,wait_0.2,wait_0.3"
    assert call("train", "-m", *TINY, *LOCAL, FAULT, "name=study", does) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1].rpartition("=")[2] for line in lines[1:5]] == ["wait_0.1", "wait_0.2", "wait_0.3", "last"]
    assert len({note["group"] for note in seen()}) == 4


def test_so_many_bad_jobs_end_it_earlier_and_those_that_run_end_by_themselves(call, capsys):
    lists = ("optimizer.lr=-1,-2,0.01,0.02,0.03,0.04", "max_failures=2")
    assert call("train", "-m", *TINY, *LOCAL, "name=study", *lists) == 1
    left = 6 - len(jobs())
    assert left >= 2
    assert f"max_failures=2 is reached: {left} jobs were not run." in capsys.readouterr().out


def test_a_job_that_cannot_be_composed_is_a_bad_job_too(call, capsys, monkeypatch):
    Plugins.instance()  # which loads the module anew
    monkeypatch.setattr(importlib.import_module("hydra_plugins.kindling.grid"), "MOST_COMPOSED", 1)
    assert call("train", "-m", *TINY, *LOCAL, "name=study", "optimizer=adamw,nope") == 1
    assert "optimizer=nope: there are" in capsys.readouterr().err
    assert [results["status"] for results in jobs().values()] == ["finished"]
    assert [path.name for path in STUDY.glob("*optimizer=nope*")] == []


# --- what the jobs share ----------------------------------------------------------------------------------------------


def test_the_processor_cores_are_shared_out(call, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(5)))
    assert call("train", "-m", *TINY, *LOCAL, FAULT, "name=study", "seed=0,1") == 0
    assert [note["KINDLING_CORES"] for note in seen()] == ["2", "2"]
    loading = Loading(8, True, False, None, None, None, None)
    offer = type("Offer", (), {"fetches_batches": False})()
    assert (cores(), loading.workers(offer)) == (5, 5)
    monkeypatch.setenv("KINDLING_CORES", "2")
    assert (cores(), loading.workers(offer)) == (2, 2)


def test_each_job_has_a_gpu_of_its_own(call, monkeypatch):
    """The processes that train see the one of them alone; here there is none, and they train without."""
    Plugins.instance()  # which loads the module anew
    monkeypatch.setattr(importlib.import_module("hydra_plugins.kindling.local"), "asked", lambda _: ["1", "4", "5"])
    arguments = (*TINY, "launcher=local", FAULT, "+callbacks.fault.does=wait_1", "name=study")
    assert call("train", "-m", *arguments, "seed=range(5)") == 0
    notes = sorted(seen(), key=lambda note: note["begun"])
    assert {note["CUDA_VISIBLE_DEVICES"] for note in notes[:3]} == {"1", "4", "5"}
    assert {note["CUDA_VISIBLE_DEVICES"] for note in notes} == {"1", "4", "5"}


@pytest.mark.quick
@pytest.mark.parametrize(
    ("accelerator", "devices", "count"),
    [
        ("auto", 1, 1),
        ("gpu", 2, 2),
        ("cuda", "2", 2),
        ("gpu", 9, 3),
        ("gpu", "auto", 3),
        ("gpu", -1, 3),
        ("gpu", [1], 3),
        ("cpu", 2, 0),
    ],
)
def test_a_job_takes_the_gpus_that_it_asks_for(accelerator, devices, count):
    trainer: Any = type("Trainer", (), {"accelerator": accelerator, "devices": devices})()
    assert wanted(trainer, ["1", "4", "5"]) == count


@pytest.mark.slow
def test_a_job_may_train_on_several_devices(python):
    """Its other processes begin with the job, and not with the sweep."""
    two = (*TINY, "trainer=cpu", "trainer.devices=2")
    done = python("src.train", "-m", *two, "launcher=local", "launcher.n_jobs=1", "name=study", "seed=0,1")
    assert done.returncode == 0, done.stderr
    assert python("src.train", *two, "seed=1", "name=alone/one").returncode == 0
    [alone] = scores(Path("outputs/alone")).values()
    assert scores(STUDY)["seed=1,trainer=cpu,trainer.devices=2"] == alone


# --- stopped, and killed ----------------------------------------------------------------------------------------------

LONG = (*TINY[:2], "trainer.max_epochs=300", "callbacks.early_stopping=null", "callbacks.last.every_seconds=0")


def both_begun() -> bool:
    return len(list(STUDY.glob("*/checkpoints/last.ckpt"))) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_every_job_where_it_can_go_on(number, started, folder, call, capsys):
    process = started(*LONG, *LOCAL, "name=study", "seed=0,1,2")
    wait_until(both_begun)
    os.kill(process, number)
    assert ended(process) == 128 + number
    said = Path("said.txt").read_text()
    assert said.count("Stopped. To go on: python -m src.train -m") == 1
    assert "Traceback" not in said
    wait_until(lambda: not of_this_test(folder), 10)
    assert not jobs()
    assert both_begun()


def test_a_second_ctrl_c_ends_all_at_once(started, folder):
    process = started(*TINY, *LOCAL, FAULT, "+callbacks.fault.does=wait_60", "name=study", "seed=0,1")
    wait_until(lambda: Path("seen").is_dir() and len(seen()) == 2)
    os.kill(process, signal.SIGINT)
    time.sleep(1)
    assert len(of_this_test(folder)) >= 3
    os.kill(process, signal.SIGINT)
    start = time.monotonic()
    assert ended(process) == 130
    assert time.monotonic() - start < 2
    wait_until(lambda: not of_this_test(folder), 10)


def test_nothing_outlives_a_sweep_that_is_killed(started, folder):
    """Its server of processes, its jobs and what loads for them."""
    own = ("data=own", "data.dataset._target_=tests.test_killed.Noisy", "net=linear", "data.num_workers=1")
    process = started(*own, *LOCAL, FAULT, "+callbacks.fault.does=wait_60", "name=study", "seed=0,1")
    wait_until(lambda: Path("seen").is_dir() and len(seen()) == 2)
    assert len(of_this_test(folder)) >= 6
    os.kill(process, signal.SIGKILL)
    ended(process)
    wait_until(lambda: not of_this_test(folder), 10)


def test_what_loads_for_a_job_that_is_killed_ends_with_it(call):
    own = ("data=own", "data.dataset._target_=tests.test_killed.Noisy", "net=linear", "data.num_workers=1")
    assert call("train", "-m", *own, *LOCAL, FAULT, "+callbacks.fault.does=kill", "name=study") == 1
    [note] = seen()
    wait_until(lambda: not alive(note["group"]), 1)  # by itself it would find out in some seconds


@pytest.mark.slow
def test_a_sweep_whose_processes_are_killed_at_random_ends_as_if_it_had_never_been(call, started, folder):
    arguments = (*TINY[:2], "trainer.max_epochs=3", "callbacks.last.every_seconds=0", "seed=range(6)")
    assert call("train", "-m", *arguments, "name=whole") == 0
    chance, written = random.Random(0), dict[str, int]()
    for _ in range(3):
        process = started(*arguments, *LOCAL, "name=cut")
        time.sleep(chance.uniform(3, 10))
        for found in chance.sample(all_of_it := of_this_test(folder), len(all_of_it)):
            with suppress(ProcessLookupError):
                os.kill(int(found), signal.SIGKILL)
        ended(process)
        wait_until(lambda: not of_this_test(folder), 10)
        now = moments(Path("outputs/cut"))
        assert written.items() <= now.items()  # no finished job has run twice
        written = now
    assert ended(started(*arguments, *LOCAL, "name=cut")) == 0, Path("said.txt").read_text()
    assert written.items() <= moments(Path("outputs/cut")).items()
    assert scores(Path("outputs/cut")) == scores(Path("outputs/whole"))


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.quick
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["launcher=local", "launcher.n_jobs=0"], "launcher.n_jobs=0: a whole number from 1 is needed, or null."),
        (["launcher=local", "launcher.n_jobs=x"], "launcher.n_jobs='x': a whole number from 1 is needed, or null."),
        (["launcher=local", "launcher.n_jobs=true"], "launcher.n_jobs=true: a whole number from 1 is needed, or null."),
        (
            ["launcher=local", "launcher.jobs=1"],
            "'launcher.jobs' is not a key of the config. Did you mean 'launcher.n_jobs'?",
        ),
        (
            ["launcher.n_jobs=2"],
            "'launcher.n_jobs' is not a key of the config. It is one with launcher=local or launcher=",
        ),
        (["launcher=locl"], "launcher=locl: there are basic, local"),
    ],
)
def test_a_refused_command_leaves_nothing_behind(call, capsys, arguments, says):
    assert call("train", "-m", *TINY, "seed=0,1", *arguments) == 1
    assert f"Error: {says}" in capsys.readouterr().err
    assert not list(Path("outputs").glob("*"))


# --- on other machines ------------------------------------------------------------------------------------------------

REMOTE = {
    "slurm": ("launcher=slurm", "launcher.cluster=local"),  # the executor that submitit has for trying it
    "ray": ("launcher=ray", "launcher.options.num_cpus=0.5"),
}
PACKAGE = {"slurm": "submitit", "ray": "ray"}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", REMOTE)
def test_one_that_dies_elsewhere_loses_nothing_of_the_others(launcher, call, capsys, monkeypatch):
    pytest.importorskip(PACKAGE[launcher])
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    deaths = "+callbacks.fault.does=kill,raise,nothing"
    for name, arguments in {"study": REMOTE[launcher], "other": ()}.items():
        does = deaths if arguments else "+callbacks.fault.does=nothing"
        assert call("train", "-m", *TINY, FAULT, does, f"name={name}", *arguments) == (1 if arguments else 0)
    said = capsys.readouterr()
    assert "2 of 3 jobs failed:" in said.err
    assert "Traceback" not in said.err
    [alone] = scores(Path("outputs/other")).values()
    found = {name.partition("does=")[2].partition(",")[0]: values for name, values in scores(STUDY).items()}
    assert found["nothing"] == alone
    errors = {name.partition("does=")[2].partition(",")[0]: r["error"] for name, r in jobs().items() if "error" in r}
    assert errors["raise"] == "ZeroDivisionError('division by zero')"
    assert errors["kill"]
    log = next(STUDY.glob("*does=raise*/train.log")).read_text()
    assert log.count("Traceback") == 1
    assert "a word\n" in log
    assert not list(STUDY.glob("*does=nothing*/train.log"))


@pytest.mark.quick
@pytest.mark.parametrize("launcher", REMOTE)
def test_a_package_that_is_missing_is_named(launcher, call, capsys, monkeypatch):
    monkeypatch.setattr("src.console.extras.find_spec", lambda package: None)
    assert call("train", "-m", *TINY, "seed=0,1", *REMOTE[launcher]) == 1
    says = f'launcher={launcher} needs the package {PACKAGE[launcher]}: pip install -e ".[{launcher}]"'
    assert f"Error: {says}" in capsys.readouterr().err
    assert not list(Path("outputs").glob("*"))
