"""A run's folder: what it holds, whose it is, what a second start does with it."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from hydra.experimental.callback import Callback

from src.callbacks.last import LastCheckpoint
from src.files.results import write_results
from tests.conftest import PROJECT

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
    left = {p.name for p in run.iterdir()} - {
        "uncommitted.diff"
    }  # which is there if the project differs from its commit
    assert left == {".hydra", "checkpoints", "logs", "plots", "results.json"}
    assert {p.name for p in (run / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert results["status"] == "finished"
    assert (results["epochs"], results["seed"]) == (2, 0)
    assert {"commit", "dirty"} == results["git"].keys()
    assert {"python", "torch", "lightning", "hydra"} == results["versions"].keys()
    for split in ("train", "val", "test"):
        assert all(isinstance(results[f"{split}/{m}"], float) for m in ("loss", "accuracy", "f1"))
        assert (f"{split}/auroc" in results) == (split != "train")  # there it would take long
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


class Sweeper(Callback):
    """Sees of each job what a sweeper sees that optimizes."""

    values: ClassVar[list[float]] = []

    def on_job_end(self, config: Any, job_return: Any, **_: Any) -> None:
        self.values.append(job_return.return_value)


def test_a_sweep_optimizes_the_monitor_never_a_score_of_the_test(call):
    Sweeper.values.clear()
    sees = f"+hydra.callbacks.sweeper._target_={__name__}.Sweeper"
    assert call("train", *TINY, "-m", "name=study", "monitor=val/auroc,val/loss", sees) == 0  # wherever -m stands
    files = {name: next(Path("outputs/study").glob(f"*monitor=val-{name}*/results.json")) for name in ("auroc", "loss")}
    assert Sweeper.values == [json.loads(file.read_text())[f"val/{name}"] for name, file in files.items()]


def test_a_job_that_ends_the_program_itself_has_failed(call, capsys, monkeypatch):
    """As of code of the user's own that calls sys.exit(0)."""
    monkeypatch.setattr("src.callbacks.summary.Summary.on_train_start", lambda *_: sys.exit(0))
    assert call("train", *TINY, "name=alone") == 1
    assert "SystemExit: 0" in capsys.readouterr().err
    assert json.loads(Path("outputs/alone/results.json").read_text())["status"] == "failed"


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


def test_another_best_checkpoint_is_refused(finished, call, capsys):
    finished(*TINY, "name=tiny")
    finished(*TINY, "seed=1", "name=other")
    best = Path("outputs/tiny/checkpoints/best.ckpt")
    assert len(json.loads(Path("outputs/tiny/results.json").read_text())["checkpoint"]) == 64
    Path("new.csv").write_text("a\n1\n")
    mine = torch.load(best, weights_only=True)
    mine["state_dict"] = {key: w * float("nan") for key, w in mine["state_dict"].items()}
    for swap in (lambda: shutil.copy("outputs/other/checkpoints/best.ckpt", best), lambda: torch.save(mine, best)):
        swap()
        for command in ("evaluate", "export", "predict"):
            assert call(command, "outputs/tiny", *(["new.csv", "-o", "p.csv"] if command == "predict" else [])) == 1
            assert f"{best} is not the one that this run was scored with" in capsys.readouterr().err


def test_a_run_from_before_checksums_is_read(finished, call):
    results = finished(*TINY, "name=tiny")
    file = Path("outputs/tiny/results.json")
    file.write_text(json.dumps({key: value for key, value in results.items() if key not in ("checkpoint", "run")}))
    assert call("evaluate", "outputs/tiny", "--resamples", "0") == 0


def without(key: str) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        lines = file.read_text().splitlines(keepends=True)
        start = next(i for i, line in enumerate(lines) if line.strip().startswith(f"{key}:"))
        depth = len(lines[start]) - len(lines[start].lstrip())
        end = next((i for i in range(start + 1, len(lines)) if len(lines[i]) - len(lines[i].lstrip()) <= depth), None)
        file.write_text("".join(lines[:start] + (lines[end:] if end else [])))

    return damage


BROKEN_CONFIGS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda file: file.write_text(""), "it holds no data"),
    "no YAML": (lambda file: file.write_text("data: [1, 2\nseed: }"), "while parsing"),
    "a list": (lambda file: file.write_text("- a\n- b\n"), "it holds no keys"),
    "a text": (lambda file: file.write_text("hello"), ""),
    "binary": (lambda file: file.write_bytes(bytes(range(256))), ""),
    "cut in the middle": (lambda file: os.truncate(file, file.stat().st_size // 3), ""),
    "without data": (without("data"), "it holds no data"),
    "without a module": (without("module"), "it holds no module"),
    "without the batch size": (without("batch_size"), "it holds no data.batch_size"),
    "without the accelerator": (without("accelerator"), "it holds no trainer.accelerator"),
    "data are a number": (
        lambda file: file.write_text(file.read_text().replace("data:\n", "data: 3\nx:\n")),
        "no data",
    ),
}


@pytest.mark.parametrize("damage", BROKEN_CONFIGS)
def test_a_broken_config_is_named(finished, call, capsys, damage):
    finished(*TINY, "name=tiny")
    file = Path("outputs/tiny/.hydra/config.yaml")
    breaks, says = BROKEN_CONFIGS[damage]
    breaks(file)
    Path("new.csv").write_text("a\n1\n")
    commands = ("evaluate", "outputs/tiny"), ("export", "outputs/tiny"), ("train", *TINY, "name=tiny")
    for command in (*commands, ("predict", "outputs/tiny", "new.csv", "-o", "p.csv")):
        assert call(*command) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"Error: {file} is damaged: ")
        assert says in error
        assert "Put back a copy of it, or train the run again with another name=." in error
        assert len(error.splitlines()) == 1


def test_where_a_run_was_started_is_asked_for_only_if_it_matters(finished, call, capsys, monkeypatch, folder):
    shutil.copy(PROJECT / "src/datasets/shipped/digits.csv.gz", "digits.csv.gz")
    named = ("data=table", "data.path=digits.csv.gz", "data.target=digit", "task=classification")
    finished(*named, "net.hidden=[4]", "trainer.max_epochs=1", "name=table")
    Path("outputs/table/.hydra/hydra.yaml").write_text("- a")
    assert call("evaluate", "outputs/table", "--resamples", "0") == 0
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    capsys.readouterr()
    assert call("evaluate", "../outputs/table") == 1
    assert ".hydra/hydra.yaml is damaged: it holds no keys" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe\x00", b'{"status": "finished", "test/loss": "x"}'])
def test_broken_results_are_named_and_left_alone(finished, call, capsys, content):
    finished(*TINY, "name=tiny")
    file = Path("outputs/tiny/results.json")
    file.write_bytes(content)
    for command in (("evaluate", "outputs/tiny"), ("train", *TINY, "name=tiny")):
        assert call(*command) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"Error: {file} is damaged: ")
        assert "Delete it and repeat the run's command" in error
        assert "Traceback" not in error
    assert file.read_bytes() == content


DAMAGED_HISTORIES: dict[str, tuple[Callable[[bytes], bytes], int]] = {
    "the last line is cut": (lambda content: content[:-20], 1),
    "the last number is cut": (lambda content: content[:-3], 1),
    "a line is garbage": (lambda content: content.replace(b"\r\n1,", b"\r\n\xff\x00\xfe,", 1), 1),
    "a number is a word": (lambda content: content.replace(b"\r\n1,", b"\r\nx,", 1), 1),
    "all is garbage": (lambda content: bytes(range(256)) * 4, 0),
    "the file is empty": (lambda content: b"", 0),
}


@pytest.mark.parametrize("damage", DAMAGED_HISTORIES)
def test_a_damaged_history_costs_rows_and_no_weights(train, call, capsys, monkeypatch, damage):
    breaks, lost = DAMAGED_HISTORIES[damage]
    three = (*TINY[:-1], "trainer.max_epochs=3", "callbacks.last.every_seconds=0.0", "name=tiny")
    saves = LastCheckpoint.on_train_epoch_end

    def fails_after_two(self, trainer, module):
        saves(self, trainer, module)
        assert trainer.current_epoch < 1

    with monkeypatch.context() as patch:
        patch.setattr(LastCheckpoint, "on_train_epoch_end", fails_after_two)
        assert call("train", *three) == 1
    file = Path("outputs/tiny/logs/metrics.csv")
    content = file.read_bytes()
    assert content.count(b"\r\n") == 3
    file.write_bytes(breaks(content))
    capsys.readouterr()
    results = train(*three)
    said = capsys.readouterr().err
    assert f"{file} is damaged: " in said
    assert "metrics.damaged.csv; the run goes on" in said
    assert file.with_name("metrics.damaged.csv").read_bytes() == breaks(content)
    with file.open() as table:
        epochs = [int(row["epoch"]) for row in csv.DictReader(table)]
    assert epochs == ([0, 2] if lost == 1 else [2])
    assert results["epochs"] == 3
    undisturbed = train(*three[:-1], "name=whole")
    assert results["val/loss"] == undisturbed["val/loss"]


def test_a_history_that_is_damaged_when_all_is_learnt_does_not_keep_a_run_from_its_end(train, call, capsys):
    results = train(*TINY, "name=tiny")
    Path("outputs/tiny/results.json").unlink()
    Path("outputs/tiny/logs/metrics.csv").write_bytes(b"\xff\x00")
    assert call("train", *TINY, "name=tiny") == 0
    assert "outputs/tiny/logs/metrics.csv is damaged" in capsys.readouterr().err
    again = json.loads(Path("outputs/tiny/results.json").read_text())
    assert (again["epochs"], again["val/loss"]) == (2, results["val/loss"])
