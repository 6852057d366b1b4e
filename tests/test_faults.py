"""The table of faults: each is injected for real; what the user reads, the exit code, and what is on the disk."""

from __future__ import annotations

import ctypes
import fcntl
import gzip
import os
import pty
import re
import resource
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
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

TINY = "data=wine net=mlp net.hidden=[8] trainer.max_epochs=4 callbacks.last.every_seconds=0 steps_per_execution=1"
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
    """Signals, a second after each if there are several; the last one leaves no time for more."""

    def act(*_: Any) -> None:
        for number in numbers:
            os.kill(os.getpid(), number)
            time.sleep(1 if len(numbers) > 1 else 0)
        if len(numbers) > 1:
            os._exit(99)

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

    pytest.MonkeyPatch().setattr(torch, "save", half)


def obey_modes() -> None:
    """Root may write everywhere, until it gives up its capabilities; also those that a new program would have."""
    if sys.platform == "linux":
        system, version = ctypes.CDLL(None), 0x20080522
        for capability in (1, 2):  # to pass over modes, in writing and reading
            system.prctl(24, capability, 0, 0, 0)
        assert system.capset(struct.pack("Ii", version, 0), bytes(24)) == 0


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


KILLED = "test_killed.test_it_ends_as_if_it_had_never_been"
# Rows that a test of its own proves, here or where more is said about it.
PROVED = {
    "1 kill -9 in mid-epoch": "test_resume.test_it_ends_with_the_same_weights_and_history",
    "3 SIGTERM in mid-epoch, on an epoch's last batch, in validation": KILLED,
    "6 Ctrl-C": "test_resume.test_it_ends_with_the_same_weights_and_history",
    "7 SIGTERM before anything is learnt": "test_resume.test_a_start_that_is_stopped_before_it_learnt_leaves_nothing",
    "7 SIGTERM while predictions are written": "test_predict.test_stopped_it_leaves_nothing",
    "8 random kills": KILLED,
    "9 shuffling, dropout, augmentation, loading processes": KILLED,
    "10 schedules, early stopping, best epoch": KILLED,
    "10 killed after an early stop": "test_resume.test_a_run_that_was_killed_after_it_had_stopped_early_learns_no_more",
    "11 a state that is later than the best": "test_killed.test_a_folder_that_was_moved_knows_its_best",
    "12 disk full at a checkpoint": "test_faults.test_a_full_disk",
    "12 disk full while a table is converted": "test_table.test_a_full_disk_is_told_and_left_as_it_was",
    "13 a file in the place of outputs/": "test_bad_input.test_an_outputs_folder_that_cannot_be_written",
    "14 checkpoint cut, empty, text, flipped, foreign": "test_checkpoints.test_a_broken_checkpoint_is_refused",
    "14 checkpoint cut, in every command": "test_faults.test_a_damaged_checkpoint_is_named_by_every_command",
    "14 last state damaged": "test_killed.test_a_damaged_last_state_is_replaced_by_the_one_before",
    "14 killed between two renames": "test_killed.test_a_state_that_lacks_its_new_name_is_found_by_the_old_one",
    "14 history damaged": "test_run_folder.test_a_damaged_history_costs_rows_and_no_weights",
    "14 results damaged": "test_run_folder.test_broken_results_are_named_and_left_alone",
    "14 config damaged": "test_run_folder.test_a_broken_config_is_named",
    "15 checkpoint of another net": "test_checkpoints.test_a_checkpoint_of_another_net_is_refused",
    "15 best checkpoint of another run": "test_run_folder.test_another_best_checkpoint_is_refused",
    "16 pickle in a checkpoint": "test_checkpoints.test_a_pickle_in_a_checkpoint_is_never_run",
    "16 code named in a checkpoint": "test_trust.test_a_checkpoint_runs_nothing",
    "16 code named in a config": "test_trust.test_a_config_runs_nothing",
    "17 resume with another config": "test_faults.test_a_run_does_not_go_on_as_another",
    "17 resume with changed data": "test_changed_data.test_a_run_does_not_go_on_with_data_that_have_changed",
    "17 score on changed data": "test_changed_data.test_a_score_on_data_that_have_changed_says_so",
    "18 learning rate of 1e18": "test_bad_input.test_it_is_told_in_the_users_words",
    "19 a failing job of a sweep": "test_sweeps.test_whatever_ends_a_job_does_not_end_the_sweep",
    "19 a job's process killed, or left": "test_launchers.test_a_process_that_dies_takes_nothing_with_it",
    "19 a job killed on another machine": "test_launchers.test_one_that_dies_elsewhere_loses_nothing_of_the_others",
    "20 a sweep killed in its jobs": "test_sweeps.test_a_sweep_that_is_killed_ends_as_if_it_had_never_been",
    "20 a sweep stopped, its jobs in processes": "test_launchers.test_a_signal_stops_every_job_where_it_can_go_on",
    "20 orphans of a killed sweep": "test_launchers.test_nothing_outlives_a_sweep_that_is_killed",
    "21 a bad trial": "test_search.test_a_bad_trial_is_named_at_the_end_and_tried_again_once_all_are_there",
    "21 trials that are all bad": "test_search.test_so_many_bad_trials_end_it",
    "22 a search killed in its trials": "test_search.test_a_search_that_is_killed_ends_as_if_it_had_never_been",
    "22 one of four that share a search killed": "test_search.test_four_processes_share_a_search_and_one_is_killed",
    "23 several devices in a sweep": "test_launchers.test_a_job_may_train_on_several_devices",
    "24 one of two processes: kill -9, SIGTERM, an error": "test_devices.test_a_blow_to_one_process_ends_all",
    "25 scores on two devices": "test_run_folder.test_two_devices_give_one_run_scored_on_every_example_once",
    "26 eight starts at once": "test_run_folder.test_starts_in_the_same_instant_have_folders_of_their_own",
    "26 a folder twice": "test_faults.test_a_folder_is_one_runs_at_a_time_and_free_once_that_is_killed",
    "28 loader lost": "test_loading_processes.test_a_loading_process_that_is_lost_ends_the_run_with_a_line",
    "28 loader meets a broken file": "test_images.test_a_file_that_is_broken_in_the_middle_is_named_when_it_is_loaded",
    "29 typing errors": "test_bad_input.test_it_is_told_in_the_users_words",
    "30 what cannot train": "test_bad_input.test_it_is_told_in_the_users_words",
    "30 no GPU": "test_bad_input.test_a_gpu_that_is_not_there",
    "31 tables": "test_table.test_what_is_wrong_is_told_in_the_users_words",
    "32 LC_ALL=C, python -O, spaces, = and unicode in paths": "test_faults.test_a_hostile_machine",
    "32 names that we make": "test_faults.test_the_names_that_we_make_need_no_quotes",
    "33 broken package that is not needed": "test_faults.test_a_broken_package_that_is_not_needed_does_no_harm",
    "33 broken package that a library imports": "test_faults.test_a_broken_package_that_a_library_imports_is_named",
    "no HOME": "test_faults.test_a_hostile_machine",
    "read-only source tree": "test_faults.test_a_hostile_machine",
    "umask": "test_faults.test_a_run_is_as_open_as_the_umask_says",
    "terminal of 20 columns": "test_faults.test_a_terminal_of_20_columns",
}
# What README promises, and the rows that back it.
PROMISES = {
    "killed": ["1 kill", "2 ", "8 ", "9 ", "10 ", "11 ", "clock set back"],
    "stopped": ["3 ", "6 ", "7 ", "27 "],
    "whole files": ["2 ", "12 ", "14 "],
    "room and rights": ["12 ", "13 ", "folder removed", "folder moved", "folder made read-only", "stdout", "umask"],
    "mistakes": ["29 ", "30 ", "31 ", "name of 300", "time is up"],
    "never as another": ["15 ", "17 "],
    "one folder each": ["26 "],
    "nothing foreign runs": ["16 "],
    "not finite": ["18 "],
    "processes": ["24 ", "25 ", "28 "],
    "anywhere": ["32 ", "33 ", "no HOME", "read-only source", "stdin closed", "terminal of 20", "name with space"],
}


def test_each_row_has_a_test_and_each_promise_its_rows():
    for fault, proof in PROVED.items():
        file, _, test = proof.partition(".")
        assert f"def {test}(" in (PROJECT / "tests" / f"{file}.py").read_text(), fault
    faults = [row.fault for row in ROWS] + list(PROVED)
    assert len(set(faults)) == len(faults)
    for promise, rows in PROMISES.items():
        for start in rows:
            assert any(fault.startswith(start) for fault in faults), (promise, start)


@pytest.fixture
def holds(forked: Callable[..., int], train: Callable[..., Any], finished: Callable[..., Any]) -> Callable[..., None]:
    """`holds(row)` injects the fault, and sees that all that the row says is so. `mended()` is called after the run."""

    def holds(row: Row, mended: Callable[[], object] = nothing) -> None:
        command, *arguments = shlex.split(row.typed)
        if command != "train":
            finished(*TINY.split(), "name=run")
            shutil.copy(WINE, "new.csv.gz")
        before = files()
        code, said = ended(forked(command, *arguments, before=row.inject))
        assert code == row.code, said
        assert re.search(".*".join(map(re.escape, row.reads.split(" ... "))), said, re.DOTALL), said
        assert "Traceback" not in said
        for folder in filter(Path.is_dir, Path().rglob("*")):
            folder.chmod(0o755)
        mended()
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

    return holds


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault)
def test_a_fault(row, holds):
    holds(row)


# --- rows that need more than a line --------------------------------------------------------------------------------


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Callable[..., None]]:
    """outputs/ is a disk of its own that fills up; where none can be made, what it refuses is too large a file."""
    Path("outputs").mkdir()
    is_mounted = (
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "small", "outputs"], check=False).returncode == 0
    )

    def fill(*_: Any) -> None:
        with suppress(OSError), Path("outputs/others").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    yield fill if is_mounted else small_files
    if is_mounted:
        subprocess.run(["umount", "--lazy", "outputs"], check=True)


def test_a_full_disk(small_disk, holds):
    row = Row("12 disk full", step(small_disk), TRAIN, 1, "It needs about ... are free. Make room", "goes on")
    holds(row, mended=lambda: Path("outputs/others").unlink(missing_ok=True))


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_a_run_is_as_open_as_the_umask_says(mask, forked):
    code, said = ended(forked(*TRAIN.split(), before=lambda: os.umask(mask)))
    assert code == 0, said
    assert {path.stat().st_mode & 0o777 for path in RUN.rglob("*") if path.is_file()} == {0o666 & ~mask}


def test_a_terminal_of_20_columns(forked):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 20, 0, 0))

    def sit_before_it() -> None:
        os.close(ours)
        os.environ.pop("COLUMNS", None)
        for number in (0, 1, 2):
            os.dup2(theirs, number)

    process = forked(*f"{TRAIN} trainer.max_epochs=50".split(), before=sit_before_it)
    os.close(theirs)
    said = b""
    with suppress(OSError):  # so it ends on Linux
        while part := os.read(ours, 4096):
            said += part
    os.close(ours)
    assert ended(process)[0] == 0, said
    lines = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", said.decode()).replace("\r", "\n").splitlines()
    assert any("epoch" in line for line in lines)
    assert "outputs/run" in lines
    assert "Traceback" not in lines


def test_a_folder_is_one_runs_at_a_time_and_free_once_that_is_killed(forked, call, capsys, finished):
    """Also while loading processes of the killed one are still about."""
    loads = f"{TINY} data.num_workers=2 trainer.max_epochs=6".split()
    process = forked("train", *loads, "name=run", before=step(lambda *_: Path("waits").touch() or time.sleep(60)))
    while not Path("waits").exists():
        assert os.waitpid(process, os.WNOHANG)[0] == 0, Path("said.txt").read_text()
        time.sleep(0.01)
    before = files()
    assert call("train", *loads, "name=run") == 1
    assert "outputs/run is being trained by another process" in capsys.readouterr().err
    assert files().keys() == before.keys()
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    assert call("train", *loads, "name=run") == 0
    finished(*loads, "name=whole")
    assert_same(left("whole"), left("run"))


CHANGES = {
    "optimizer.lr=0.5": "optimizer.lr=0.004 (now 0.5)",
    "data.batch_size=16": "data.batch_size=auto (now 16)",
    "data.missing=drop": "data.missing=null (now drop)",
    "data=breast_cancer": "(now ",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_run_does_not_go_on_as_another(change, finished, call, capsys):
    finished(*TINY.split(), "name=run")
    (RUN / "results.json").unlink()
    before = files()
    assert call("train", *TINY.split(), "name=run", change) == 1
    error = capsys.readouterr().err
    assert "outputs/run holds a run with" in error
    assert CHANGES[change] in error
    assert files() == before


@pytest.mark.parametrize("typed", ["evaluate outputs/run", PREDICT, "export outputs/run"])
def test_a_damaged_checkpoint_is_named_by_every_command(typed, finished, call, capsys):
    finished(*TINY.split(), "name=run")
    shutil.copy(WINE, "new.csv.gz")
    best = RUN / "checkpoints/best.ckpt"
    best.write_bytes(best.read_bytes()[:-500])
    before = files()
    assert call(*typed.split()) == 1
    assert re.search(r"Error: .*outputs/run/checkpoints/best.ckpt is damaged", capsys.readouterr().err)
    assert files() == before


def test_the_names_that_we_make_need_no_quotes(train):
    run = train(*TINY.split())["run"]
    assert all(re.fullmatch(r"[\w.-]+", path.name) for path in (run, *run.rglob("*")))


def installed_but_broken(*packages: str) -> str:
    """A PYTHONPATH with packages that raise an error when they are imported."""
    for package in packages:
        folder = Path("site-packages") / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("raise RuntimeError('operator nms does not exist')")
        about = Path("site-packages") / f"{package}-99.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 99.0\n")
    return os.pathsep.join([str(Path("site-packages").absolute()), str(PROJECT)])


def test_a_broken_package_that_is_not_needed_does_no_harm(python):
    path = installed_but_broken("tensorboard", "torchview", "onnx", "safetensors")
    done = python("src.train", *TRAIN.split()[1:], PYTHONPATH=path, HYDRA_FULL_ERROR="0")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_a_broken_package_that_a_library_imports_is_named(python):
    done = python("src.train", *TRAIN.split()[1:], PYTHONPATH=installed_but_broken("torchvision"), HYDRA_FULL_ERROR="0")
    assert done.returncode == 1
    reason = "The package torchvision is installed, but cannot be imported: operator nms does not exist."
    assert done.stderr == f"Error: {reason} Install it anew, or remove it: pip uninstall torchvision\n"
    assert not list(Path("outputs").glob("*"))


@pytest.mark.slow
def test_a_hostile_machine(folder):
    """Source that cannot be written to, no home, no input, ASCII, `python -O`; spaces, = and more letters in paths."""
    for place in ("src", "conf"):
        shutil.copytree(PROJECT / place, folder / "project" / place, ignore=shutil.ignore_patterns("__pycache__"))
    work = folder / "wörk a=b"
    (work / "daten ü").mkdir(parents=True)
    (work / "daten ü/x=1.csv").write_bytes(gzip.decompress(WINE.read_bytes()))

    def begin() -> None:
        os.close(0)
        read_only(folder / "project")()

    for command in (
        [
            "src.train",
            'data.path="daten ü/x=1.csv"',
            "data=table",
            "data.target=cultivar",
            'name="é =x"',
            *TINY.split()[1:],
        ],
        ["src.predict", "outputs/é =x", "daten ü/x=1.csv", "-o", "önt.csv"],
    ):
        done = subprocess.run(
            [sys.executable, "-O", "-m", *command],
            cwd=work,
            env={"PYTHONPATH": str(folder / "project"), "PATH": os.environ["PATH"], "HOME": "/nowhere"}
            | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
            capture_output=True,
            preexec_fn=begin,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert read_results(work / "outputs/é =x/results.json")["status"] == "finished"
    assert len((work / "önt.csv").read_text().splitlines()) == 179
    assert not list((folder / "project").rglob("__pycache__"))
