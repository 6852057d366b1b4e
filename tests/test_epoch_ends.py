"""Where epochs are tiny their ends come every so many, and make no other difference."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from src.files.history import read_history
from tests.test_killed import WINE, assert_same, left, stopped_once_begun

LINE = ("experiment=linear_regression", "trainer.max_epochs=200")
EACH = "trainer.check_val_every_n_epoch=1"


def epochs(name: str) -> list[int]:
    return [int(row["epoch"]) for row in read_history(Path("outputs") / name / "logs" / "metrics.csv")]


def test_the_weights_are_the_same_and_the_last_epoch_is_validated(train, capsys):
    train(*LINE, "name=some")
    assert "come every 10 of them" in capsys.readouterr().err
    train(*LINE, "name=all", EACH)
    assert "Epochs are short" not in capsys.readouterr().err
    assert epochs("some") == list(range(9, 200, 10))
    assert epochs("all") == list(range(200))
    some, whole = left("some"), left("all")
    assert_same(some["weights"], whole["weights"])
    assert_same(some["history"], whole["history"][9::10])
    assert_same({**some["results"], "run": 0}, {**whole["results"], "run": 0})


def test_the_last_epoch_has_an_end_whatever_its_number(train):
    train(*LINE, "name=odd", "trainer.max_epochs=205")
    assert epochs("odd")[-2:] == [199, 204]
    train("data=wine", "net.hidden=[8]", "trainer.max_epochs=5", "trainer.check_val_every_n_epoch=2", "name=asked")
    rows = read_history(Path("outputs/asked/logs/metrics.csv"))
    assert ["val/loss" in row for row in rows] == [False, True, False, True, True]


def test_a_schedule_by_epochs_steps_in_each(train):
    step = ("scheduler=step", "scheduler.step_size=3", "scheduler.gamma=0.9")
    train(*LINE, *step, "trainer.max_epochs=100", "name=some")
    train(*LINE, *step, "trainer.max_epochs=100", "name=all", EACH)
    assert len(epochs("some")) == 20
    assert_same(left("some")["weights"], left("all")["weights"])


@pytest.mark.parametrize("every", ["auto", "1", "3"])
def test_patience_is_counted_in_epochs(every, train):
    stuck = ("optimizer.lr=1e-30", "callbacks.early_stopping.patience=6", f"trainer.check_val_every_n_epoch={every}")
    train("data=wine", "net.hidden=[8]", "net.dropout=0", "trainer.max_epochs=400", *stuck, "name=stuck")
    last = epochs("stuck")[-1] + 1
    first = {"auto": 6, "1": 1, "3": 3}[every]  # with a score, behind which six epochs are waited for
    assert last == first + 6


@pytest.mark.parametrize(
    "override",
    [
        "trainer.max_epochs=30",  # a curve would have too few points
        "scheduler=plateau",  # it waits for the score of each
        "trainer.val_check_interval=0.5",
        "trainer.max_steps=100",
        "module._target_=tests.test_killed.WithPlateau",
        "data=digits",
    ],
)
def test_other_runs_validate_every_epoch(override, train, capsys):
    train("data=wine", "trainer.max_epochs=100", "callbacks.early_stopping.patience=3", override)
    assert "Epochs are short" not in capsys.readouterr().err


def test_a_run_that_is_killed_goes_on_with_the_same_epochs(train, forked):
    arguments = (*WINE, "trainer.max_epochs=160", "callbacks.early_stopping=null", "callbacks.last.every_seconds=0")
    train(*arguments, "name=whole")
    assert len(epochs("whole")) < 100
    for _ in range(2):
        stopped_once_begun(forked("train", *arguments, "name=cut"), 0.2, signal.SIGKILL)
    train(*arguments, "name=cut")
    assert_same(left("whole"), left("cut"))


@pytest.mark.parametrize("value", ["0", "-2", "often", "1.5", "true"])
def test_it_is_a_number_or_auto(value, call, capsys):
    assert call("train", f"trainer.check_val_every_n_epoch={value}") == 1
    assert "a whole number from 1 is needed, or auto." in capsys.readouterr().err
