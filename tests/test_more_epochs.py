"""A finished run is given more epochs under its name, and goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from src.callbacks.last import LastCheckpoint
from tests.test_killed import assert_same, left

BARE = ("callbacks.learning_curve=null", "callbacks.confusion=null", "callbacks.mistakes=null")
WINE = ("data=wine", "net.hidden=[8]", "net.dropout=0.2", "data.batch_size=16", *BARE)
CONSTANT = (*WINE, "scheduler=constant")
RUN = Path("outputs/a")


def of(name: str) -> dict[str, Any]:
    """What is left, but for the lengths that it had."""
    what = left(name)
    what["results"].pop("went_on_from", None)
    return what


def rates(name: str) -> list[str]:
    return [row["lr"] for row in left(name)["history"]]


SCHEDULES = {
    "constant": ("scheduler=constant",),
    "step": ("scheduler=step", "scheduler.step_size=2"),
    "plateau": ("scheduler=plateau", "scheduler.patience=0", "callbacks.early_stopping.monitor=val/accuracy"),
}


@pytest.mark.parametrize("schedule", ["constant", "step", pytest.param("plateau", marks=pytest.mark.slow)])
def test_it_comes_out_as_if_it_had_had_them_from_its_beginning(finished, train, schedule):
    settings = (*WINE, *SCHEDULES[schedule])
    finished(*settings, "trainer.max_epochs=3", "name=a")
    results = train(*settings, "trainer.max_epochs=6", "name=a")
    train(*settings, "trainer.max_epochs=6", "name=whole")
    assert_same(of("whole"), of("a"))
    assert (results["status"], results["epochs"], results["max_epochs"]) == ("finished", 6, 6)
    assert results["went_on_from"] == [{"max_epochs": 3, "max_steps": -1}]
    assert "trainer.max_epochs=6" in results["command"]
    assert yaml.safe_load((RUN / ".hydra/config.yaml").read_text())["trainer"]["max_epochs"] == 6


def test_a_schedule_over_the_whole_run_is_that_of_the_longer_one(finished, train, call, capsys):
    for schedule in ("cosine", "one_cycle"):
        settings = (*WINE, f"scheduler={schedule}", "trainer.max_epochs=3")
        finished(*settings, f"name={schedule}")
        before = rates(schedule)
        capsys.readouterr()
        train(*settings[:-1], "trainer.max_epochs=6", f"name={schedule}")
        said = capsys.readouterr().err
        assert f"outputs/{schedule} goes on after 3 epochs, to trainer.max_epochs=6." in said
        assert "The learning rate follows the schedule of the longer run from here, where that is at 0.00" in said
        train(*settings[:-1], "trainer.max_epochs=6", f"name=whole_{schedule}")
        assert rates(schedule) == [*before, *rates(f"whole_{schedule}")[3:]]
    assert call("repeat", "outputs/cosine") == 0
    assert "bit for bit" in capsys.readouterr().out
    assert_same(left("cosine"), left("cosine_repeated"))


SIX = (*WINE, "callbacks.last.every_seconds=0", "trainer.max_epochs=6")
THREE = (*SIX[:-1], "trainer.max_epochs=3")


def kill_in(
    forked: Callable[..., int], monkeypatch: pytest.MonkeyPatch, hook: str, epoch: int, *arguments: str
) -> None:
    """Kill it in a hook of the state's callback, once it is in this epoch."""

    def kills(self: LastCheckpoint, trainer: Any, *_: Any) -> None:
        if trainer.current_epoch == epoch:
            os.kill(os.getpid(), signal.SIGKILL)
        return None if hook == "on_train_epoch_start" else saves(self, trainer, *_)

    with monkeypatch.context() as patch:
        saves = getattr(LastCheckpoint, hook)
        patch.setattr(LastCheckpoint, hook, kills)
        assert os.waitpid(forked("train", *arguments), 0)[1] == signal.SIGKILL, Path("said.txt").read_text()


def test_killed_in_their_midst_it_goes_on_as_if_it_had_not_been(finished, train, call, forked, monkeypatch):
    finished(*THREE, "name=a")
    shutil.copytree(RUN, "outputs/whole")
    train(*SIX, "name=whole")
    results = (RUN / "results.json").read_bytes()
    kill_in(forked, monkeypatch, "on_train_epoch_start", 3, *SIX, "name=a")
    assert call("evaluate", "outputs/a", "--resamples", "0") == 0
    assert call("train", *THREE, "name=a") == 0  # shows the scores that there are
    kill_in(forked, monkeypatch, "on_train_epoch_end", 5, *SIX, "name=a")
    assert (RUN / "results.json").read_bytes() == results
    train(*SIX, "name=a")
    assert_same(left("whole"), left("a"))


def test_an_error_in_their_midst_leaves_the_results(finished, train, call, capsys, monkeypatch):
    finished(*THREE, "name=a")
    results = (RUN / "results.json").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(LastCheckpoint, "on_train_epoch_start", lambda _, trainer, __: 1 // (5 - trainer.current_epoch))
        assert call("train", *SIX, "name=a") == 1
    assert "ZeroDivisionError" in (RUN / "train.log").read_text()
    assert (RUN / "results.json").read_bytes() == results
    capsys.readouterr()
    for command in ("evaluate", "repeat"):  # the best epoch is a new one
        assert call(command, "outputs/a") == 1
        said = capsys.readouterr().err
        assert "outputs/a was given more epochs, and is not finished with them" in said
        assert "Repeat its command" in said
    assert call("report", "outputs/a") == 0
    assert "trainer.max_epochs=3 name=a" in capsys.readouterr().out  # what its scores are of
    assert train(*SIX, "name=a")["epochs"] == 6


def test_it_may_be_given_more_again_and_is_repeated_by_the_same_steps(finished, train, call, capsys, monkeypatch):
    finished(*THREE, "name=a")
    train(*THREE[:-1], "trainer.max_epochs=4", "name=a")
    results = train(*SIX, "name=a")
    assert [stage["max_epochs"] for stage in results["went_on_from"]] == [3, 4]
    with monkeypatch.context() as patch:
        patch.setattr(LastCheckpoint, "on_train_epoch_start", lambda _, trainer, __: 1 // (5 - trainer.current_epoch))
        assert call("repeat", "outputs/a") == 1
    capsys.readouterr()
    assert call("repeat", "outputs/a") == 0
    assert "bit for bit" in capsys.readouterr().out
    assert_same(left("a"), left("a_repeated"))
    (RUN / "results.json").write_text(json.dumps({**results, "went_on_from": ["${oc.env:HOME}"], "run": None}))
    assert call("repeat", "outputs/a", "-o", "again") == 1
    assert "results.json is damaged" in capsys.readouterr().err


@pytest.mark.slow
def test_steps_may_be_more_too(finished, train):
    settings = (*CONSTANT, "trainer.max_epochs=-1", "trainer.max_steps=16")
    finished(*settings, "name=a")
    train(*settings[:-1], "trainer.max_steps=32", "name=a")
    train(*settings[:-1], "trainer.max_steps=32", "name=whole")
    assert_same(of("whole"), of("a"))


REFUSED = {
    "fewer": (("trainer.max_epochs=2",), "has been trained with trainer.max_epochs=3. Type a larger number, or"),
    "more, and another key": (("trainer.max_epochs=6", "seed=1"), "outputs/a holds a run with "),
    "its end is another": (("trainer.max_steps=100",), "has been trained with trainer.max_epochs=3. Type a larger"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_more_is_refused_and_changes_nothing(finished, call, capsys, case):
    finished(*THREE, "name=a")
    before = {path: path.read_bytes() for path in RUN.rglob("*") if path.is_file()}
    changes, says = REFUSED[case]
    assert call("train", *THREE, *changes, "name=a") == 1
    assert says in capsys.readouterr().err
    assert {path: path.read_bytes() for path in RUN.rglob("*") if path.is_file()} == before


def test_a_run_that_cannot_go_on_says_why(finished, train, call, capsys, monkeypatch):
    finished(*THREE, "name=a")
    (RUN / "checkpoints/last.ckpt").rename("last.ckpt")
    assert call("train", *SIX, "name=a") == 1
    assert "last.ckpt does not exist. The run cannot go on without it: choose another name=." in capsys.readouterr().err
    shutil.move("last.ckpt", RUN / "checkpoints/last.ckpt")
    with monkeypatch.context() as patch:
        patch.setattr("src.module.SupervisedModule.on_load_checkpoint", lambda *_: 1 / 0)  # before it has begun
        assert call("train", *SIX, "name=a") == 1
    assert yaml.safe_load((RUN / ".hydra/config.yaml").read_text())["trainer"]["max_epochs"] == 3
    still = (*WINE, "optimizer.lr=1e-12", "callbacks.early_stopping.patience=2", "trainer.max_epochs=20", "name=b")
    assert train(*still)["epochs"] == 3
    assert call("train", *still, "trainer.max_epochs=30") == 1
    said = capsys.readouterr().err
    assert "outputs/b ended after 3 epochs, before its trainer.max_epochs=20: early stopping had waited for 2" in said
    assert "a larger callbacks.early_stopping.patience=4, or callbacks.early_stopping=null" in said
    (RUN / "results.json").unlink()  # as if it had been interrupted
    assert call("train", *SIX, "name=a") == 1
    assert "is not finished, as a run of trainer.max_epochs=3. Repeat its command first" in capsys.readouterr().err
