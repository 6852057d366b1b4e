"""A run that is killed at any moment, and repeated, ends bit for bit as one that was never disturbed."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from tests.conftest import PROJECT

SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1]
DIGITS = ("data=digits", "net=mlp", "net.hidden=[16]")  # with dropout
WINE = ("data=wine", "net=mlp", "net.hidden=[8]", "data.batch_size=8")
PICTURES = ("data=images", "data.path=photos", "data.size=8", "data.num_workers=2", "net=linear", "data.batch_size=4")
OWN = "data.dataset._target_=tests.test_killed.Noisy"
NOISY = ("data=own", OWN, "net=linear", "data.num_workers=2", "data.batch_size=4", "standardize=false")


class Noisy(Dataset):
    """Forty examples with noise that nobody has seeded; x (3,), y 0 or 1."""

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.rand(3) + random.random(), index % 2


GAN = ("--config-dir", str(PROJECT / "examples/gan/conf"), "experiment=gan", "data.batch_size=64", "module.hidden=16")
PLATEAU = ("data=wine", "data.batch_size=8", "module._target_=tests.test_killed.WithPlateau")
CASES = {
    "dropout and plateau": (*DIGITS, "scheduler=plateau", "scheduler.patience=0", "trainer.max_epochs=4"),
    "early stopping": (*WINE, "callbacks.early_stopping.patience=1", "optimizer.lr=0.1", "trainer.max_epochs=30"),
    "steps": (*WINE, "trainer.max_epochs=-1", "trainer.max_steps=77"),
    "several validations": (*DIGITS, "trainer.val_check_interval=0.3", "scheduler=plateau", "trainer.max_epochs=3"),
    "few validations": (*WINE, "trainer.check_val_every_n_epoch=2", "trainer.max_epochs=7"),
    "accumulation": (*WINE, "trainer.accumulate_grad_batches=3", "scheduler=one_cycle", "trainer.max_epochs=5"),
    "pictures": (*PICTURES, "data.flip=true", "data.crop=0.5", "trainer.max_epochs=6"),
    "loaders that end": (*PICTURES, "data.persistent_workers=false", "trainer.max_epochs=4"),
    "noise of loading processes": (*NOISY, "trainer.max_epochs=5"),
    "the last epoch": (*WINE, "monitor=null", "callbacks.early_stopping=null", "trainer.max_epochs=6"),
    "half precision": (
        *DIGITS,
        "trainer.precision=bf16-mixed",
        "trainer.gradient_clip_val=0.5",
        "trainer.max_epochs=4",
    ),
    "a module of one's own": (*GAN, "trainer.max_epochs=4"),
    "a plateau of one's own": (*PLATEAU, "trainer.max_epochs=8", "callbacks.early_stopping=null"),
    "a film": ("experiment=parabola", "animate=true", "trainer.max_epochs=60"),
    "a compiled net": (*DIGITS, "compile=true", "trainer.max_epochs=3"),
    "folds and a part": (*WINE, "data.folds=3", "data.fold=1", "trainer.limit_train_batches=5", "trainer.max_epochs=6"),
}
QUICK = ("dropout and plateau", "steps", "several validations")
ONCE = ("half precision", "a compiled net", "loaders that end")  # when their state is saved is nothing to these


class WithPlateau(L.LightningModule):
    """Its schedule waits for its own metric, every second epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(13, 3)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return functional.cross_entropy(self.net(batch[0] / 100), batch[1])

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val/loss", self.training_step(batch, batch_idx))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=5.0)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.7, patience=0)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "monitor": "val/loss", "frequency": 2},
        }


def left(name: str) -> dict[str, Any]:
    """Weights, optimizer and random state, history and metrics of a run."""
    run = Path("outputs") / name
    checkpoints = {w: torch.load(run / "checkpoints" / f"{w}.ckpt", weights_only=True) for w in ("best", "last")}
    with (run / "logs" / "metrics.csv").open() as file:
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    results = json.loads((run / "results.json").read_text())
    # The checksum is that of a file with more in it than weights.
    for what in ("seconds", "checkpoint", "command", "steps_per_execution"):
        results.pop(what, None)
    states = {
        "weights": {which: checkpoint["state_dict"] for which, checkpoint in checkpoints.items()},
        "optimizer": checkpoints["last"]["optimizer_states"],
        "random": checkpoints["last"]["callbacks"]["LastCheckpoint"]["random"],
        "best": checkpoints["last"]["callbacks"]["BestCheckpoint"],
    }
    return states | {"history": rows, "results": results}


def assert_same(one: Any, other: Any, where: str = "") -> None:
    """Bit for bit."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), where
        for i, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, f"{where}/{i}")
    elif isinstance(one, Tensor):
        assert torch.equal(one, other), where
    else:
        assert one == other, where


def disturb(forked: Any, arguments: tuple[str, ...], kills: int, seconds: float, seed: int) -> list[tuple[float, int]]:
    """Start the run again and again, kill it at random moments, and at last let it end."""
    chance, moments = random.Random(seed), []
    for _ in range(kills):
        process, number = forked("train", *arguments), chance.choice(SIGNALS)
        moments.append((chance.uniform(0.1, 1) * seconds, number))
        end, code = time.monotonic() + moments[-1][0], 0
        while time.monotonic() < end and not code:
            code, status = os.waitpid(process, os.WNOHANG)
            time.sleep(0.002)
        if code:
            assert os.waitstatus_to_exitcode(status) == 0, Path("said.txt").read_text()
            break
        os.kill(process, number)
        _, status = os.waitpid(process, 0)
        code = -number if number == signal.SIGKILL else 128 + number
        assert os.waitstatus_to_exitcode(status) in (code, 0), (moments, Path("said.txt").read_text())
        assert "Traceback" not in Path("said.txt").read_text(), (moments, Path("said.txt").read_text())
    _, status = os.waitpid(forked("train", *arguments), 0)
    assert os.waitstatus_to_exitcode(status) == 0, (moments, Path("said.txt").read_text())
    return moments


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")  # inside torch 2.13
@pytest.mark.parametrize(
    ("case", "seed"),
    [
        pytest.param(case, seed, marks=() if case in QUICK and not seed else pytest.mark.slow)
        for case in CASES
        for seed in range(1 if case in ONCE else 2)
    ],
)
def test_it_ends_as_if_it_had_never_been(case, seed, train, forked, photos):
    minutes = {0: "0", 1: "null"}[seed]  # a state after every step that can have one, or at the ends of epochs only
    last = ("callbacks.last.every_seconds=0", f"callbacks.last.every_minutes={minutes}")
    arguments = (*CASES[case], f"seed={seed}", *last)
    started = time.monotonic()
    train(*arguments, "name=whole")
    moments = disturb(forked, (*arguments, "name=cut"), 2, time.monotonic() - started, seed)
    assert_same(left("whole"), left("cut"), str(moments))
    assert not list(Path("outputs/cut").rglob("*partial*"))


def stopped_once_begun(process: int, seconds: float, number: int) -> None:
    """Send a signal to the run `cut` so long after it has saved a state, and wait for its end."""
    while not Path("outputs/cut/checkpoints/last.ckpt").exists():
        time.sleep(0.002)
    time.sleep(seconds)
    os.kill(process, number)
    os.waitpid(process, 0)


def killed_in_epoch(epoch: int, forked: Any, *arguments: str) -> None:
    """Start a run, and kill it once it has saved two states after this epoch began."""
    run = Path("outputs") / next(a for a in arguments if a.startswith("name=")).removeprefix("name=")
    process = forked("train", *arguments)
    history = run / "logs" / "metrics.csv"
    while not history.exists() or len(history.read_text().splitlines()) <= epoch + 1:
        assert os.waitpid(process, os.WNOHANG)[0] == 0, Path("said.txt").read_text()
        time.sleep(0.001)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


LONG = (*WINE, "trainer.max_epochs=15", "optimizer.lr=0.05", "callbacks.last.every_seconds=0")


def test_a_folder_that_was_moved_knows_its_best(train, finished, forked):
    finished(*LONG, "name=whole")
    killed_in_epoch(12, forked, *LONG, "name=cut")
    Path("outputs/cut").rename("outputs/moved")
    train(*LONG, "name=moved")
    assert_same(left("whole"), left("moved"))


def test_a_damaged_last_state_is_replaced_by_the_one_before(train, finished, forked, capsys):
    finished(*LONG, "name=whole")
    killed_in_epoch(5, forked, *LONG, "name=cut")
    folder = Path("outputs/cut/checkpoints")
    (folder / "last.ckpt").write_bytes((folder / "last.ckpt").read_bytes()[:-500])
    train(*LONG, "name=cut")
    assert "last.ckpt is damaged" in (said := capsys.readouterr().err)
    assert "It is kept as damaged.ckpt; the run goes on from the state before it." in said
    assert_same(left("whole"), left("cut"))
    assert {path.name for path in folder.iterdir()} == {"best.ckpt", "last.ckpt", "damaged.ckpt"}


def test_a_state_that_lacks_its_new_name_is_found_by_the_old_one(train, finished, forked):
    """The program ended between two renames."""
    finished(*LONG, "name=whole")
    killed_in_epoch(5, forked, *LONG, "name=cut")
    Path("outputs/cut/checkpoints/last.ckpt").unlink()
    train(*LONG, "name=cut")
    assert_same(left("whole"), left("cut"))


def test_a_plateau_of_ones_own_is_stepped_after_the_state_at_an_epochs_end(train, forked):
    arguments = (*PLATEAU, "trainer.max_epochs=10", "callbacks.early_stopping=null", "callbacks.last.every_seconds=0")
    train(*arguments, "name=whole")
    for epoch in (2, 3, 6):
        killed_in_epoch(epoch, forked, *arguments, "name=cut")
    train(*arguments, "name=cut")
    assert_same(left("whole"), left("cut"))
