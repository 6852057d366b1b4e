"""What python -m src.benchmark compares is the same work; its figures are never judged here."""

from __future__ import annotations

import json
import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from src.benchmarking import measure, startup
from src.benchmarking.loops import bare, step_parts, tutorial
from src.benchmarking.runs import Kindling, kindling, lightning
from src.callbacks.history import History
from src.config.compose import compose
from src.nets import MLP

SMALL = ("net.hidden=[8]", "trainer.max_epochs=2", "callbacks.early_stopping=null")
WINE = ("data=wine", *SMALL)
START = {f"start/{part}": 0.5 for part in ("python", "torch", "lightning", "kindling", "all")}
START |= {"ratio/start": 1.1, "memory/kindling": 500.0}
JOBS = {
    "dropout": (*WINE, "net.dropout=0.3"),
    "regression": ("data=diabetes", *SMALL),
    "cnn": ("data=digits", "net=cnn", "net.channels=[4,4]", "data.batch_size=256", *SMALL[1:]),
    "a norm of gradients": (*WINE, "trainer.gradient_clip_val=0.1"),
    "values of gradients": (*WINE, "trainer.gradient_clip_val=0.01", "trainer.gradient_clip_algorithm=value"),
    "a schedule by steps": (*WINE, "scheduler=one_cycle"),
    "every other step": (
        *WINE,
        "scheduler=step",
        "scheduler.step_size=1",
        "scheduler.interval=step",
        "scheduler.frequency=2",
    ),
    "a schedule by epochs": (*WINE, "scheduler=cosine", "scheduler.interval=epoch"),
    "a plateau": (*WINE, "scheduler=plateau", "scheduler.patience=0", "optimizer.lr=0.3", "trainer.max_epochs=6"),
    "accumulation": (*WINE, "trainer.accumulate_grad_batches=3", "scheduler=one_cycle"),
    "no smaller batch": (*WINE, "data.drop_last=true"),
    "in order": (*WINE, "data.shuffle=false"),
    "no validation": (*WINE, "data.fractions=[0.8,0,0.2]", "monitor=null"),
    "seldom a validation": (*WINE, "trainer.check_val_every_n_epoch=2"),
    "half precision": (*WINE, "trainer.precision=bf16-mixed"),
    "double precision": ("experiment=linear_regression", *SMALL[1:]),
    "frozen batch norm": (
        "data=digits",
        "net=resnet",
        "net.widths=[4,4]",
        "data.batch_size=256",
        "freeze=['*.1.*']",
        *SMALL[1:],
    ),
    "auxiliary outputs": (
        *("experiment=googlenet", "data.shape=[3,32,32]", "data.size=16", "data.batch_size=4", *SMALL[1:]),
    ),
    "a weighted loss, groups": (*WINE, "loss.weight=balanced", "optimizer.groups=[{parameters: 1.*, lr: 0.1}]"),
}


def run_of(*overrides: str) -> Kindling:
    return kindling(compose(*overrides, with_hydra=True), None)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start is not measured: that takes half a minute."""
    monkeypatch.setattr(startup, "startup", lambda overrides, done: START)


def test_lightning_trains_an_ensemble_in_one_net_too():
    overrides = (*WINE[:1], "net=tabular", "net.hidden=[4]", *SMALL[1:])
    assert lightning(run_of(*overrides).job, compose(*overrides)) > 0


@pytest.mark.parametrize("job", JOBS)
def test_the_bare_loop_comes_to_the_same_weights_as_kindling(job):
    run = run_of(*JOBS[job])
    _, weights = bare(run.job)
    measure.check_same(weights, run.weights, exactly=True)
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize("every", [1, 2])
def test_all_take_as_many_steps_and_validate_as_often(every, monkeypatch):
    cfg = compose(*WINE, "trainer.max_epochs=4", f"trainer.check_val_every_n_epoch={every}", with_hydra=True)
    counts = {"steps": 0, "looks": 0}
    step, forward = torch.optim.AdamW.step, MLP.forward

    def counted_step(self: Any, closure: Any = None) -> Any:
        counts["steps"] += 1
        return step(self, closure)

    def counted_forward(self: Any, x: Any) -> Any:
        counts["looks"] += not self.training and len(x) == 27  # the validation split of wine
        return forward(self, x)

    run = kindling(cfg, None)
    assert run.job.validated == ({0, 1, 2, 3} if every == 1 else {1, 3})
    monkeypatch.setattr(torch.optim.AdamW, "step", counted_step)
    monkeypatch.setattr(MLP, "forward", counted_forward)
    for contestant in (bare, tutorial, step_parts, lambda job: lightning(job, cfg)):
        counts.update(steps=0, looks=0)
        contestant(run.job)
        checks = 1 if contestant not in (bare, tutorial, step_parts) else 0  # Lightning tries a validation first
        assert counts == {"steps": 4 * run.job.steps, "looks": 4 // every + checks}


@pytest.mark.quick
@pytest.mark.usefixtures("real_pictures")
def test_the_command_leaves_its_results_and_their_picture_alone(call, started, capsys):
    assert call("benchmark", *WINE[:2], "rounds=2", "epochs=2", "out=bench.json") == 0
    out = capsys.readouterr().out
    assert "same weights: yes" in out
    assert max(map(len, out.splitlines())) <= 80
    assert {path.name for path in Path.cwd().iterdir()} == {"bench.json", "bench.png"}
    results = json.loads(Path("bench.json").read_text())
    assert (results["rounds"], results["epochs"], results["examples"]) == (2, 2, 124)
    for name in ("kindling", "tutorial", "lightning", "data"):
        assert results[f"least/{name}"] <= results[f"ratio/{name}"] <= results[f"most/{name}"]
        for kind in ("seconds_per_epoch", "step_ms", "samples_per_second"):
            assert 0 < results[f"{kind}/{name}"] < math.inf
    parts = sum(value for name, value in results.items() if name.startswith("parts_ms/"))
    assert parts == pytest.approx(results["step_ms/kindling"])
    with Image.open("bench.png") as picture:
        assert picture.size[0] >= 1000


def test_without_out_it_leaves_nothing(call, started):
    assert call("benchmark", *WINE[:2], "rounds=1", "epochs=1", "name=wine") == 0
    assert not list(Path.cwd().iterdir())


@pytest.mark.slow
def test_the_start_is_measured_in_processes_of_its_own(folder, monkeypatch):
    monkeypatch.setattr(startup, "TIMES", 1)
    done: list[int] = []
    results = startup.startup(WINE, lambda: done.append(1))
    assert len(done) == startup.TIMES * (len(startup.IMPORTS) + 1)
    assert results["start/torch"] > results["start/python"] > 0
    parts = ("python", "torch", "lightning", "kindling")
    assert results["start/all"] == pytest.approx(sum(results[f"start/{part}"] for part in parts))
    assert results["memory/kindling"] > 100
    assert not list(folder.iterdir())


def test_other_weights_are_an_error_that_names_them(call, started, capsys, monkeypatch):
    Path("odd_net.py").write_text(
        "import torch\nfrom torch import nn\n\nOWN = torch.Generator().manual_seed(0)\n\n\n"
        "class Noisy(nn.Linear):\n"
        "    def __init__(self, input_shape, output_size):\n        super().__init__(input_shape[0], output_size)\n\n"
        "    def forward(self, x):\n        return super().forward(x + torch.randn(x.shape, generator=OWN))\n"
    )
    monkeypatch.syspath_prepend(str(Path.cwd()))
    net = ("net._target_=odd_net.Noisy", "~net.hidden", "~net.activation", "~net.dropout")
    assert call("benchmark", "data=wine", *net, "rounds=1", "epochs=1", "out=bench.json") == 1
    said = capsys.readouterr().err
    assert "Error: The bare loop's weights are not Kindling's: weight differs by up to 0.0" in said
    assert "Traceback" not in said
    assert not Path("bench.json").exists()


MODULE = "lightning.pytorch.demos.boring_classes.BoringModel"
REFUSED = {
    "a key": (["net.hiden=[8]"], "'net.hiden' is not a key of the config. Did you mean 'net.hidden'?"),
    "no rounds": (["rounds=0"], "rounds=0: a whole number is needed, at least 1."),
    "epochs in words": (["epochs=two"], "epochs=two: a whole number is needed"),
    "no json": (["out=bench.txt"], "out=bench.txt: it must end in .json."),
    "no folder": (["out=none/bench.json"], "out=none/bench.json: the folder none does not exist."),
    "steps": (["trainer.max_steps=3"], "trainer.max_steps=3: a bare loop would not do the same."),
    "no end": (["trainer.max_epochs=-1"], "trainer.max_epochs=-1: how many epochs is a round?"),
    "another module": ([f"module._target_={MODULE}"], "in the place of a BoringModel is not known"),
    "a metric": (
        ["scheduler=plateau", "scheduler.monitor=train/accuracy", "scheduler.mode=max"],
        "scheduler.monitor=train/accuracy: the bare loop measures",
    ),
    "several devices": (["trainer=cpu", "trainer.devices=2"], "2 devices share the work"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_compared_is_refused(call, capsys, case):
    words, says = REFUSED[case]
    assert call("benchmark", "data=wine", *words) == 1
    said = capsys.readouterr().err
    assert says in said
    assert "Traceback" not in said
    assert not list(Path.cwd().iterdir())


def test_random_changes_are_refused(call, photos, capsys):
    images = ("data=images", f"data.path={photos}", "data.num_workers=0", "data.size=8", "net=cnn")
    assert call("benchmark", *images, "data.flip=true") == 1
    assert "The training examples change at random" in capsys.readouterr().err


def test_stopped_it_leaves_nothing(forked, monkeypatch, folder):
    temporary = folder / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setattr(History, "on_train_epoch_end", lambda *_: os.kill(os.getpid(), signal.SIGINT))
    _, status = os.waitpid(forked("benchmark", *WINE, "out=bench.json"), 0)
    assert os.waitstatus_to_exitcode(status) == 130
    assert "Traceback" not in Path("said.txt").read_text()
    assert {path.name for path in folder.iterdir()} == {"said.txt", "temporary"}
    assert not list(temporary.iterdir())


@pytest.mark.quick
def test_help_teaches(call, capsys):
    assert call("benchmark", "--help") == 0
    out = capsys.readouterr().out
    assert "out=bench.json" in out
    assert "experiment=benchmark_mlp" in out
