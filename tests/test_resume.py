"""A run that is stopped goes on, and ends as if it had never stopped."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from src.callbacks.history import History

PROJECT = Path(__file__).resolve().parent.parent
# Dropout and shuffling use random numbers, the plateau scheduler and early stopping remember scores.
OVERRIDES = [
    "data=digits",
    "net.hidden=[32]",
    "trainer.max_epochs=30",
    "scheduler=plateau",
    "scheduler.patience=1",
    "callbacks.early_stopping.patience=8",
    "callbacks.last.every_seconds=0.0",
]


def start(name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "src.train", *OVERRIDES, f"name={name}"]
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def epochs(name: str) -> list[dict[str, str]]:
    path = Path("outputs") / name / "logs" / "metrics.csv"
    if not path.exists():
        return []
    with path.open() as file:
        return list(csv.DictReader(file))


def stop_after(process: subprocess.Popen[str], name: str, count: int, number: int) -> str:
    """Send a signal once `count` epochs are in the history; returns stderr."""
    while len(epochs(name)) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(number)
    return process.communicate(timeout=60)[1]


def checkpoint(name: str, which: str) -> dict[str, torch.Tensor]:
    return torch.load(f"outputs/{name}/checkpoints/{which}.ckpt", weights_only=True)["state_dict"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    before = Path.cwd()
    os.chdir(folder)
    process = start("whole")
    assert process.communicate(timeout=120)
    assert process.returncode == 0
    os.chdir(before)
    return folder / "outputs" / "whole"


@pytest.mark.slow  # of new processes: test_killed.py has faster ones, at all moments
@pytest.mark.parametrize(
    ("number", "code", "stops"),
    [(signal.SIGKILL, -9, [3, 7]), (signal.SIGTERM, 143, [4]), (signal.SIGINT, 130, [5])],
)
def test_it_ends_with_the_same_weights_and_history(number, code, stops, undisturbed, folder):
    (folder / "outputs").mkdir()
    (folder / "outputs" / "whole").symlink_to(undisturbed)
    for count in stops:
        process = start("cut")
        said = stop_after(process, "cut", count, number)
        assert process.returncode == code, said
        if number != signal.SIGKILL:
            assert "Stopped. To go on: python -m src.train" in said
            assert "name=cut" in said
            assert "Traceback" not in said
    process = start("cut")
    assert process.communicate(timeout=120)
    assert process.returncode == 0

    for which in ("best", "last"):
        whole, cut = checkpoint("whole", which), checkpoint("cut", which)
        assert whole.keys() == cut.keys()
        assert all(torch.equal(whole[key], cut[key]) for key in whole)
    columns = ("epoch", "step", "lr", "train/loss", "val/loss", "val/accuracy")
    assert [[row[c] for c in columns] for row in epochs("whole")] == [
        [row[c] for c in columns] for row in epochs("cut")
    ]


def test_a_start_that_is_stopped_before_it_learnt_leaves_nothing(folder):
    process = start("early")
    while not Path("outputs/early/.hydra/config.yaml").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 143
    assert "Stopped before anything was learnt." in said
    assert not Path("outputs/early").exists()


TINY = ("data=wine", "net.hidden=[8]", "name=tiny")


def test_a_run_that_was_killed_after_it_had_stopped_early_learns_no_more(train):
    settings = (*TINY, "optimizer.lr=1e-12", "callbacks.early_stopping.patience=2", "trainer.max_epochs=20")
    before = train(*settings)["epochs"]
    assert before < 20
    Path("outputs/tiny/results.json").unlink()
    rows = epochs("tiny")
    assert train(*settings)["epochs"] == before
    assert epochs("tiny") == rows


def test_a_run_that_goes_on_has_waited_for_a_metric_of_which_more_is_better(train, call, monkeypatch):
    still = (
        "callbacks.early_stopping.monitor=val/accuracy",
        "callbacks.early_stopping.patience=3",
        "optimizer.lr=1e-12",
    )
    settings = (*TINY, *still, "callbacks.last.every_seconds=0", "trainer.max_epochs=20")
    with monkeypatch.context() as patch:
        writes = History.on_train_epoch_end
        patch.setattr(History, "on_train_epoch_end", lambda *a: 1 / 0 if a[1].current_epoch == 2 else writes(*a))
        assert call("train", *settings) == 1
    assert train(*settings)["epochs"] == 4


def test_a_run_that_goes_on_needs_the_weights_no_more_that_it_started_from(train, capsys):
    train(*TINY, "trainer.max_epochs=1")
    torch.save(torch.load("outputs/tiny/checkpoints/best.ckpt", weights_only=True)["state_dict"], "start.pt")
    settings = (*TINY[:-1], "name=tuned", "trainer.max_epochs=2", "weights=start.pt")
    train(*settings)
    before = checkpoint("tuned", "last")
    Path("outputs/tuned/results.json").unlink()
    Path("start.pt").unlink()
    train(*settings)
    assert all(torch.equal(before[name], weight) for name, weight in checkpoint("tuned", "last").items())
