"""What python -m src.benchmark compares is the same work; its figures are never judged here."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.benchmarking.loops import bare
from src.benchmarking.measure import check_same
from src.benchmarking.runs import Kindling, kindling
from src.config.compose import compose

SMALL = ("net.hidden=[8]", "trainer.max_epochs=2", "callbacks.early_stopping=null")
WINE = ("data=wine", *SMALL)
START = {"start/python": 0.1, "start/torch": 1.0, "start/lightning": 1.0, "start/kindling": 0.2, "start/all": 2.3}
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
    "a weighted loss, groups": (*WINE, "loss.weight=balanced", "optimizer.groups=[{parameters: 1.*, lr: 0.1}]"),
}


def run_of(*overrides: str) -> Kindling:
    return kindling(compose(*overrides, with_hydra=True), None)


@pytest.mark.parametrize("job", JOBS)
def test_the_bare_loop_comes_to_the_same_weights_as_kindling(job):
    run = run_of(*JOBS[job])
    _, weights = bare(run.job)
    check_same(weights, run.weights, exactly=True)
    assert not list(Path.cwd().iterdir())
