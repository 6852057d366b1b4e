"""A run's folder: what it holds, whose it is, what a second start does with it."""

from __future__ import annotations

import csv
import fcntl
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from hydra.experimental.callback import Callback

from src.files.results import write_results

TINY = ("data=wine", "net.hidden=[8]", "trainer.max_epochs=2")


@pytest.mark.quick
def test_it_holds_what_is_promised(finished):
    results = finished(*TINY, "name=tiny")
    run = Path("outputs/tiny")
    for file in (
        "results.json",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        "plots/learning_curve.png",
    ):
        assert (run / file).stat().st_size > 0
    assert {p.name for p in run.iterdir()} == {".hydra", "checkpoints", "logs", "plots", "results.json"}
    assert {p.name for p in (run / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert results["status"] == "finished"
    assert (results["epochs"], results["seed"]) == (2, 0)
    assert {"commit", "dirty"} == results["git"].keys()
    assert {"python", "torch", "lightning", "hydra"} == results["versions"].keys()
    for split in ("train", "val", "test"):
        assert all(isinstance(results[f"{split}/{m}"], float) for m in ("loss", "accuracy", "f1", "auroc"))
    with (run / "logs" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [0, 1]
    assert min(float(row["val/loss"]) for row in rows) == pytest.approx(results["val/loss"])


def test_a_regression_is_scored_in_its_own_units(train):
    results = train("data=diabetes", "trainer.max_epochs=2")
    assert results["test/rmse"] > 10  # the target goes from 25 to 346, its standardized self from -2 to 3
    assert results["test/mse"] == pytest.approx(results["test/rmse"] ** 2, rel=1e-4)


def test_without_a_name_each_run_has_a_new_folder(train):
    assert train(*TINY)["run"] != train(*TINY)["run"]


def test_starts_in_the_same_instant_have_folders_of_their_own(folder):
    code = "from src.config.compose import run_folder; print(run_folder(None))"
    project = Path(__file__).parent.parent
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(project)}
        )
        for _ in range(8)
    ]
    assert len({start.communicate()[0] for start in starts}) == 8


def test_a_finished_run_shows_its_scores_and_stays_as_it_is(finished, call, capsys):
    results = finished(*TINY, "name=tiny")
    before = {p: p.stat().st_mtime_ns for p in Path("outputs/tiny").rglob("*") if p.is_file() and p.name != "lock"}
    capsys.readouterr()
    assert call("train", *TINY, "name=tiny") == 0
    out = capsys.readouterr().out
    assert "outputs/tiny was finished before" in out
    assert f"test/accuracy   {results['test/accuracy']:.4f}" in out
    assert before == {p: p.stat().st_mtime_ns for p in before}


def test_the_same_name_with_another_config_is_refused(finished, call, capsys):
    finished(*TINY, "name=tiny")
    before = Path("outputs/tiny/.hydra/config.yaml").read_text()
    assert call("train", *TINY, "name=tiny", "optimizer.lr=0.5") == 1
    assert "outputs/tiny holds a run with optimizer.lr=0.004 (now 0.5)" in capsys.readouterr().err
    assert Path("outputs/tiny/.hydra/config.yaml").read_text() == before
    assert json.loads(Path("outputs/tiny/results.json").read_text())["status"] == "finished"


def test_a_folder_with_other_files_is_refused_and_left_alone(call, capsys):
    Path("outputs/thesis").mkdir(parents=True)
    Path("outputs/thesis/chapter1.txt").write_text("two years of work")
    assert call("train", *TINY, "name=thesis") == 1
    assert "outputs/thesis holds other files, and no run" in capsys.readouterr().err
    assert [p.name for p in Path("outputs/thesis").iterdir()] == ["chapter1.txt"]


def test_a_run_that_is_being_trained_is_refused(python, folder):
    Path("outputs/busy/.hydra").mkdir(parents=True)
    with Path("outputs/busy/.hydra/lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        done = python("src.train", *TINY, "name=busy")
    assert done.returncode == 1
    assert "outputs/busy is being trained by another process" in done.stderr


def test_a_score_that_is_not_known_is_null_in_the_results():
    write_results(Path("results.json"), status="finished", r2=float("nan"), loss=float("inf"), mae=0.5)

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    results = json.loads(Path("results.json").read_text(), parse_constant=refuse)
    assert results == {"status": "finished", "r2": None, "loss": None, "mae": 0.5}


def test_a_sweep_has_a_folder_for_each_job(call, capsys):
    assert call("train", "-m", *TINY, "name=study", "seed=0,1") == 0
    seeds = [json.loads(Path(f"outputs/study/{job}/results.json").read_text())["seed"] for job in (0, 1)]
    assert seeds == [0, 1]


class Sweeper(Callback):
    """Sees of each job what a sweeper sees that optimizes."""

    values: ClassVar[list[float]] = []

    def on_job_end(self, config: Any, job_return: Any, **_: Any) -> None:
        self.values.append(job_return.return_value)


def test_a_sweep_optimizes_the_monitor_never_a_score_of_the_test(call):
    Sweeper.values.clear()
    sees = f"+hydra.callbacks.sweeper._target_={__name__}.Sweeper"
    assert call("train", "-m", *TINY, "name=study", "monitor=val/auroc,val/loss", sees) == 0
    results = [json.loads(Path(f"outputs/study/{job}/results.json").read_text()) for job in (0, 1)]
    assert Sweeper.values == [results[0]["val/auroc"], results[1]["val/loss"]]


def test_a_failed_job_does_not_stop_its_sweep(call, capsys):
    assert call("train", "-m", *TINY, "name=study", "optimizer.lr=-1,0.01") == 1
    assert "Invalid learning rate: -1" in capsys.readouterr().err
    assert not Path("outputs/study/0").exists()
    assert json.loads(Path("outputs/study/1/results.json").read_text())["status"] == "finished"


def test_a_bug_leaves_its_traceback_in_the_folder(call, capsys, monkeypatch):
    monkeypatch.setattr("src.callbacks.history.History.on_train_epoch_end", lambda *_: 1 / 0)
    assert call("train", *TINY, "name=bug") == 1
    assert "Traceback" in capsys.readouterr().err
    results = json.loads(Path("outputs/bug/results.json").read_text())
    assert (results["status"], "ZeroDivisionError" in results["error"]) == ("failed", True)
    assert "ZeroDivisionError" in Path("outputs/bug/train.log").read_text()


def test_a_mistake_in_the_users_code_keeps_its_traceback_though_it_is_a_value_error(call, capsys, monkeypatch):
    def unpacks_wrongly(**parameters: object) -> None:
        _, _ = range(3)

    monkeypatch.setattr("src.datasets.synthetic.parabola", unpacks_wrongly)
    assert call("train", "data=parabola", "name=bug") == 1
    assert "in unpacks_wrongly" in capsys.readouterr().err
    assert "too many values to unpack" in Path("outputs/bug/train.log").read_text()


def test_one_seed_gives_the_same_weights_and_another_gives_others(train):
    weights = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(*TINY, f"name={name}", f"seed={seed}")
        state = torch.load(f"outputs/{name}/checkpoints/last.ckpt", weights_only=True)["state_dict"]
        weights.append(torch.cat([w.flatten().double() for key, w in sorted(state.items()) if key.startswith("net.")]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.slow
def test_two_devices_give_one_run_scored_on_every_example_once(python):
    done = python("src.train", "data=digits", "name=two", "trainer=cpu", "trainer.devices=2", "trainer.max_epochs=2")
    assert done.returncode == 0, done.stderr
    results = json.loads(Path("outputs/two/results.json").read_text())
    alone = python("src.evaluate", "outputs/two", "trainer.devices=1").stdout
    for name in ("loss", "accuracy", "f1", "auroc"):
        assert f"{results[f'test/{name}']:.4f}" in alone
    assert {path.stem for path in Path("outputs/two/plots").iterdir()} == {"learning_curve", "confusion", "mistakes"}


def test_a_start_that_was_killed_before_it_learnt_does_not_hold_its_name(train):
    Path("outputs/tiny/.hydra").mkdir(parents=True)
    Path("outputs/tiny/.hydra/config.yaml").write_text("seed: 3\n")
    assert train(*TINY, "name=tiny")["seed"] == 0
