"""Several optimizer steps in one execution leave what steps one by one leave, bit for bit."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any, cast

import lightning as L
import pytest
import torch

from src.module import SupervisedModule
from src.training import executions
from tests.test_devices import on_two_devices
from tests.test_killed import DIGITS, WINE, assert_same, left, stopped_once_begun

EPOCHS = "trainer.max_epochs=2"
QUICK = ("dropout, a last smaller batch", "accumulation and a schedule by steps", "max_steps inside")
# What trainer.precision=16-mixed is on a GPU.
MIXED = "{_target_: lightning.pytorch.plugins.MixedPrecision, precision: 16-mixed, device: cpu, scaler: %s}"
SCALER = "{_target_: torch.amp.GradScaler, device: cpu}"
SCALED = f"trainer.plugins=[{{_target_: src.files.checkpoints.AtomicCheckpointIO}},{MIXED % SCALER}]"
CASES = {
    "dropout, a last smaller batch": (*DIGITS, EPOCHS),
    "convolutions": ("data=digits", "net=cnn", "net.channels=[2,2]", EPOCHS),
    "values": ("data=diabetes", "net=mlp", "net.hidden=[8]", EPOCHS),
    "clipping by norm": (*DIGITS, EPOCHS, "trainer.gradient_clip_val=0.1"),
    "clipping by value": (*DIGITS, EPOCHS, "trainer.gradient_clip_val=0.01", "trainer.gradient_clip_algorithm=value"),
    "accumulation": (*DIGITS, EPOCHS, "trainer.accumulate_grad_batches=4"),
    "a schedule by steps": (*DIGITS, EPOCHS, "scheduler=one_cycle", "scheduler.frequency=2"),
    "accumulation and a schedule by steps": (*WINE, EPOCHS, "trainer.accumulate_grad_batches=3", "scheduler=one_cycle"),
    "a schedule by epochs": (*DIGITS, "trainer.max_epochs=4", "scheduler=step", "scheduler.step_size=1"),
    "plateau": (*WINE, "trainer.max_epochs=6", "scheduler=plateau", "scheduler.patience=0", "optimizer.lr=0.1"),
    "brain floats": (*DIGITS, EPOCHS, "trainer.precision=bf16-mixed", "trainer.gradient_clip_val=0.5"),
    "doubles": (*DIGITS, EPOCHS, "trainer.precision=64-true"),
    "half floats, scaled": (*DIGITS, EPOCHS, SCALED, "trainer.precision=null"),
    "max_steps inside": (*DIGITS, "trainer.max_epochs=-1", "trainer.max_steps=49"),
    "max_steps and accumulation": (
        *DIGITS,
        "trainer.max_epochs=-1",
        "trainer.max_steps=13",
        "trainer.accumulate_grad_batches=4",
    ),
    "limit_train_batches inside": (*DIGITS, EPOCHS, "trainer.limit_train_batches=11"),
    "validations inside": (*DIGITS, EPOCHS, "trainer.val_check_interval=0.3"),
    "validations over epochs": (
        *DIGITS,
        "trainer.max_epochs=4",
        "trainer.val_check_interval=29",
        "trainer.check_val_every_n_epoch=null",
    ),
    "drop_last": (*DIGITS, EPOCHS, "data.drop_last=true", "data.batch_size=48"),
    "batches at odd addresses": (*WINE, EPOCHS, "data.batch_size=5"),
    "data from files": ("data=images", "data.path=photos", "data.size=8", "net=linear", "data.batch_size=2", EPOCHS),
    "overfit": (*DIGITS, "debug=overfit", "trainer.max_epochs=5"),
    "overfit_batches": (*DIGITS, EPOCHS, "trainer.overfit_batches=7"),
    "an optimizer by hand": ("experiment=by_hand_digits", "trainer.max_epochs=1", "trainer.limit_train_batches=10"),
    "an optimizer that asks for the loss again": (
        *WINE,
        "optimizer._target_=tests.test_executions.Newton",
        "net.dropout=0",
        EPOCHS,
    ),
    "tokens": ("data=digits", "data.shape=[8,8]", "net=gru", "net.hidden_size=4", EPOCHS, "data.batch_size=256"),
}


class Newton(torch.optim.LBFGS):
    """It asks for the loss several times in a step."""

    def __init__(self, parameters: Any, lr: float, **_: Any) -> None:
        super().__init__([p for group in parameters for p in group["params"]], lr, max_iter=3)


class Steps(L.Callback):
    """Prints at which steps it is called."""

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        print(f"step {trainer.global_step}")


@pytest.mark.filterwarnings("ignore:You requested to overfit")
@pytest.mark.parametrize("case", [c if c in QUICK else pytest.param(c, marks=pytest.mark.slow) for c in CASES])
def test_the_result_is_that_of_single_steps(case, train, photos):
    for steps in (1, 3):
        result = train(*CASES[case], f"name=k{steps}", f"steps_per_execution={steps}")
        assert result["steps_per_execution"] == steps
    assert_same(left("k1"), left("k3"))


def test_steps_are_taken_together(train, capsys):
    """And callbacks are called once for all of them."""
    train(
        *DIGITS,
        "trainer.max_epochs=1",
        "steps_per_execution=16",
        "+callbacks.steps._target_=tests.test_executions.Steps",
    )
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if line.startswith("step")] == ["step 16", "step 32", "step 40"]


def test_auto_takes_small_nets_with_data_in_memory_together_and_others_step_by_step(train, photos):
    assert train(*DIGITS, "trainer.max_epochs=1")["steps_per_execution"] > 1
    few = train("data=images", "data.path=photos", "data.size=8", "net=linear", "trainer.max_epochs=1")
    assert few["steps_per_execution"] == 1


class Careful(SupervisedModule):
    def on_before_optimizer_step(self, optimizer: Any) -> None:
        pass


class Curious(L.Callback):
    def on_after_backward(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        pass


@pytest.mark.parametrize(
    ("override", "what"),
    [
        ("module._target_=tests.test_killed.WithPlateau", "a WithPlateau, which is no SupervisedModule,"),
        ("module._target_=tests.test_executions.Careful", "Careful.on_before_optimizer_step"),
        ("+callbacks.mine._target_=tests.test_executions.Curious", "Curious.on_after_backward"),
        ("trainer.profiler=simple", "trainer.profiler"),
    ],
)
def test_what_looks_into_each_step_needs_single_ones(override, what, train, call, capsys):
    arguments = ("data=wine", "trainer.max_epochs=1", override)
    assert train(*arguments)["steps_per_execution"] == 1  # auto
    assert call("train", *arguments, "steps_per_execution=4") == 1
    assert f"Error: steps_per_execution=4: {what} needs steps_per_execution=1." in capsys.readouterr().err


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "true", "null"])
def test_it_is_a_number_or_auto(value, call, capsys):
    assert call("train", f"steps_per_execution={value}") == 1
    assert "a whole number from 1 is needed, or auto." in capsys.readouterr().err


def test_a_run_goes_on_with_another_number_of_steps(train, forked):
    arguments = (*DIGITS, "trainer.max_epochs=30", "callbacks.early_stopping=null", "callbacks.last.every_minutes=0")
    train(*arguments, "name=whole", "steps_per_execution=1")
    for steps in (7, 32):
        stopped_once_begun(forked("train", *arguments, "name=cut", f"steps_per_execution={steps}"), 0.3, signal.SIGTERM)
    train(*arguments, "name=cut")
    assert_same(left("whole"), left("cut"))


@pytest.mark.slow
def test_two_devices_take_the_steps_of_single_ones():
    for steps in (1, 4):
        code, said = on_two_devices(f"k{steps}", f"steps_per_execution={steps}")
        assert code == 0, said
    assert_same(left("k1"), left("k4"))


class Unlike(L.Callback):
    """On each device another number of steps pays, as it may be by their clocks."""

    def on_fit_start(self, trainer: L.Trainer, *_: Any) -> None:
        cast(Any, executions).AUTO = (64 if trainer.is_global_zero else 3, 10.0)


@pytest.mark.slow
def test_devices_agree_on_the_steps_that_they_take(python):
    own = "+callbacks.unlike._target_=tests.test_executions.Unlike"
    done = python("src.train", *DIGITS, own, "trainer=cpu", "trainer.devices=2", "trainer.max_epochs=2", "name=two")
    assert done.returncode == 0, done.stderr
    assert json.loads(Path("outputs/two/results.json").read_text())["steps_per_execution"] == 64
