"""Runs side by side, read from their folders: what differs, which is best, what could not be read."""

from __future__ import annotations

import base64
import csv
import fcntl
import functools
import io
import itertools
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from PIL import Image

from src.config.compose import compose
from src.reports.compare import Comparison
from src.reports.history import bars, history
from src.reports.records import read_records
from src.reports.table import lines
from src.run.scores import is_larger_better
from tests.conftest import PROJECT


@functools.cache
def written(*overrides: str) -> dict[str, str]:
    """What training writes into .hydra."""
    cfg = compose(*overrides, with_hydra=True)
    parts = {"config": [key for key in cfg if key != "hydra"], "hydra": ["hydra"]}
    texts = {f"{name}.yaml": OmegaConf.to_yaml(OmegaConf.masked_copy(cfg, keys)) for name, keys in parts.items()}
    return {**texts, "overrides.yaml": OmegaConf.to_yaml(OmegaConf.create(list(overrides))), "lock": ""}


def made(folder: str, *overrides: str, status: str | None = "finished", **results: Any) -> Path:
    """The folder of a run as training leaves it, without its checkpoints; no status: it was interrupted."""
    path = Path(folder)
    (path / ".hydra").mkdir(parents=True)
    for name, text in written(*overrides).items():
        (path / ".hydra" / name).write_text(text)
    (path / "logs").mkdir()
    (path / "logs" / "metrics.csv").write_bytes(b"epoch,step,seconds,lr,val/loss\r\n0,1,0.1,0.1,2\r\n1,2,0.2,0.1,1\r\n")
    if status:
        write(path, status=status, **{name.replace("_", "/", 1): value for name, value in results.items()})
    return path


def write(path: Path, **results: Any) -> None:
    (path / "results.json").write_text(json.dumps(results))


@pytest.fixture
def study(folder: Path) -> None:
    """Two nets with two seeds each; the second net is better by the loss, the first by the accuracy."""
    made("outputs/study/0", "name=study", "net=mlp", "seed=0", val_loss=0.5, test_loss=0.6, test_accuracy=0.9)
    made("outputs/study/1", "name=study", "net=mlp", "seed=1", val_loss=0.3, test_loss=0.4, test_accuracy=0.8)
    made("outputs/study/2", "name=study", "net=linear", "seed=0", val_loss=0.2, test_loss=0.4, test_accuracy=0.7)
    made("outputs/study/3", "name=study", "net=linear", "seed=1", val_loss=0.1, test_loss=0.3, test_accuracy=0.6)


def rows(out: str) -> list[list[str]]:
    """The words of the table that a report has begun with."""
    return [line.split() for line in out.split("\n\n")[0].splitlines()]


def test_runs_that_differ_in_the_seed_are_one_row_with_mean_deviation_and_count(study, call, capsys):
    assert call("report", "outputs/study") == 0
    out = capsys.readouterr().out
    assert rows(out) == [
        ["net", "val/loss", "test/accuracy", "runs"],
        ["linear", "0.1500", "±", "0.0707", "0.6500", "±", "0.0707", "2"],
        ["mlp", "0.4000", "±", "0.1414", "0.8500", "±", "0.0707", "2"],
    ]
    best = "The best val/loss of those with the best mean, 0.1000: outputs/study/3"
    assert out.endswith(f"{best}\npython -m src.train net=linear seed=1\n")


def test_each_shows_every_run_and_a_score_sorts_the_best_first(study, call, capsys):
    assert call("report", "outputs", "--each", "--sort", "test/accuracy") == 0
    out = capsys.readouterr().out
    assert rows(out) == [
        ["net", "seed", "test/accuracy", "folder"],
        ["mlp", "0", "0.9000", "0"],
        ["mlp", "1", "0.8000", "1"],
        ["linear", "0", "0.7000", "2"],
        ["linear", "1", "0.6000", "3"],
    ]
    assert call("report", "outputs", "--each", "--sort", "test/accuracy", "--reverse") == 0
    again = capsys.readouterr().out
    assert [row[-1] for row in rows(again)[1:]] == ["3", "2", "1", "0"]
    assert "The best test/accuracy, 0.9000: outputs/study/0\n" in out
    assert "The best test/accuracy, 0.9000: outputs/study/0\n" in again


def test_a_setting_sorts_too_numbers_by_their_size(call, capsys):
    for number, size in enumerate((64, 8, 256)):
        made(f"outputs/{number}", f"data.batch_size={size}", val_loss=1.0)
    assert call("report", "outputs", "--sort", "data.batch_size") == 0
    assert [row[0] for row in rows(capsys.readouterr().out)] == ["data.batch_size", "8", "64", "256"]


def test_each_kind_of_task_has_its_telling_metric(study, call, capsys):
    made("outputs/house", "data=diabetes", val_loss=0.4, test_loss=0.4, test_rmse=55.0, test_r2=0.5)
    assert call("report", "outputs", "--each") == 0
    assert rows(capsys.readouterr().out)[0][-4:] == ["val/loss", "test/accuracy", "test/rmse", "folder"]


def test_a_row_says_how_many_of_its_runs_are_finished(study, call, capsys):
    made("outputs/study/4", "name=study", "net=linear", "seed=2", status=None)
    assert call("report", "outputs/study") == 0
    assert rows(capsys.readouterr().out)[1][-3:] == ["2", "of", "3"]


def test_a_choice_of_a_group_is_one_column_and_what_nobody_typed_none(call, capsys):
    made("outputs/a", "net=mlp", "net.hidden=[8,4]", "optimizer.lr=0.01", val_loss=0.1)
    made("outputs/b", "net=linear", "optimizer.lr=0.01", val_loss=0.2)
    made("outputs/c", "experiment=logistic_regression", val_loss=0.3)
    records = read_records(["outputs"])
    assert Comparison(records[:2], None, False, False).differing == ["net", "net.hidden"]
    assert Comparison(records, None, False, False).differing == ["experiment", "net", "net.hidden", "optimizer.lr"]
    assert call("report", "outputs/a", "outputs/b") == 0
    assert rows(capsys.readouterr().out)[1] == ["mlp", "[8,4]", "0.1000", "a"]


def test_a_part_that_some_runs_do_without_is_one_column(call, capsys):
    made("outputs/a", "net=mlp", val_loss=0.2)
    made("outputs/b", "net=mlp", "callbacks.early_stopping=null", "monitor=null", val_loss=0.1)
    made("outputs/c", "net=mlp", "callbacks.early_stopping.patience=3", val_loss=0.3)
    assert call("report", "outputs") == 0
    header = capsys.readouterr().out.splitlines()[0].split()
    part = "callbacks.early_stopping"
    assert header == ["monitor", f"{part}._target_", f"{part}.patience", "val/loss", "folder"]


def test_a_default_that_has_changed_between_two_runs_is_a_column(call, capsys):
    made("outputs/a", val_loss=0.1)
    config = made("outputs/b", val_loss=0.2) / ".hydra" / "config.yaml"
    config.write_text(config.read_text().replace("batch_size: auto", "batch_size: 64"))
    assert call("report", "outputs") == 0
    assert rows(capsys.readouterr().out)[0] == ["data.batch_size", "val/loss", "folder"]


def test_what_changes_nothing_in_a_run_is_no_setting(call, capsys):
    made("outputs/a", "retry_failed=false", "max_failures=3", "name=a", "net=mlp", val_loss=0.1)
    made("outputs/b", "net=linear", val_loss=0.2)
    assert call("report", "outputs") == 0
    assert rows(capsys.readouterr().out)[0] == ["net", "val/loss", "folder"]


@pytest.mark.parametrize(
    ("words", "folders"),
    [
        (["--where", "net=mlp"], ["1", "0"]),
        (["--where", "net=mlp,linear", "seed=1"], ["3", "1"]),
        (["--where", "optimizer.lr=1e-2"], ["5"]),
        (["--where", "net.hidden=[8, 4]"], ["5"]),
        (["--status", "failed"], ["4"]),
        (["--status", "unfinished"], ["6"]),
    ],
)
def test_runs_are_chosen_by_what_was_typed_for_them_and_by_how_they_ended(study, call, capsys, words, folders):
    made("outputs/study/4", "net=cnn", status="failed")
    made("outputs/study/5", "net=mlp", "net.hidden=[8,4]", "optimizer.lr=0.01", "seed=2", val_loss=0.9)
    made("outputs/study/6", "net=resnet", status=None)
    if words == ["--where", "net=mlp"]:
        folders = [*folders, "5"]
    assert call("report", "outputs", "--each", *words) == 0
    assert [row[-1] for row in rows(capsys.readouterr().out)[1:]] == folders


def test_a_run_that_is_trained_now_is_told_from_one_that_was_interrupted(study, folder, python):
    made("outputs/study/4", "net=cnn", status=None)
    busy = made("outputs/study/5", "net=cnn", "seed=1", status="failed")  # tried again
    with (busy / ".hydra" / "lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        done = python("src.report", "outputs", "--each", "--status", "unfinished")
    assert [row[-2:] for row in rows(done.stdout)[1:]] == [["unfinished", "4"], ["running", "5"]]


def test_a_failed_run_says_why(study, call, capsys):
    write(made("outputs/study/4", "net=cnn"), status="failed", error="Out of memory.\nTraceback")
    assert call("report", "outputs/study") == 0
    assert "\nFailed: outputs/study/4: Out of memory.\n" in capsys.readouterr().out


def test_a_csv_has_every_run_with_all_that_is_known(study, call, capsys):
    assert call("report", "outputs/study", "--csv", "runs.csv") == 0
    with Path("runs.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["folder"] for row in read] == [f"outputs/study/{job}" for job in (3, 2, 1, 0)]
    assert read[3].items() >= {"net": "mlp", "seed": "0", "test/loss": "0.6", "status": "finished"}.items()
    assert read[3]["command"] == "python -m src.train net=mlp seed=0"


def test_the_command_of_a_single_run_is_the_one_that_was_typed_and_of_a_job_its_own(call, capsys):
    typed = "python -m src.train --config-dir my -m name=study net=mlp 'net.hidden=[8],[4]'"
    run = made("outputs/study/0", "name=study", "net=mlp", "net.hidden=[8]")
    write(run, status="finished", command=typed, **{"val/loss": 0.1})
    assert call("report", "outputs") == 0
    assert capsys.readouterr().out.endswith("\npython -m src.train --config-dir my net=mlp 'net.hidden=[8]'\n")
    write(run, status="finished", command="python -m src.train name=study net=mlp", **{"val/loss": 0.1})
    assert call("report", "outputs") == 0
    assert capsys.readouterr().out.endswith("\npython -m src.train name=study net=mlp\n")


def test_the_table_fits_a_narrow_terminal_and_says_what_has_no_room(study):
    keys = [f"callbacks.early_stopping.patience={n}" for n in (1, 2)], [f"data.batch_size={n}" for n in (8, 16)]
    for number, (patience, size) in enumerate(zip(*keys, strict=True)):
        made(f"outputs/wide/{number}", patience, size, "optimizer.weight_decay=0.5", "net.dropout=0.1", val_loss=1.0)
    table = lines(Comparison(read_records(["outputs"]), None, True, False), 80)
    assert max(map(len, table[:-1])) <= 80
    assert table[0].startswith("net ")
    assert table[-1].startswith("No room for ")
    assert "callbacks.early_stopping.patience" in table[-1]


def test_a_long_name_of_a_folder_is_cut_before_a_setting_is_left_out(folder):
    for size in (8, 16):
        made(f"outputs/{'a long name of a job ' * 4}{size}", f"data.batch_size={size}", val_loss=1.0)
    table = lines(Comparison(read_records(["outputs"]), None, True, False), 80)
    assert [line.split()[0] for line in table] == ["data.batch_size", "8", "16"]
    assert [len(line) for line in table[1:]] == [80, 80]
    assert table[1].endswith("…")


def test_smaller_or_larger_is_better_as_the_metric_is_named_or_the_run_says():
    names = ("val/loss", "test/rmse", "test/mae", "val/accuracy", "test/r2", "val/f1", "val/auroc", "test/kappa")
    assert [is_larger_better(name, []) for name in names] == [False] * 3 + [True] * 5
    made("outputs/a", "monitor=val/own", "mode=min", val_own=1.0)
    runs = Comparison(read_records(["outputs"]), sort=None, each=True, reverse=False)
    assert not runs.is_larger_better("val/own")


def test_what_a_finished_run_says_of_its_metric_goes_before_its_config_and_its_name(call, capsys):
    """The config may have left it to the metric: mode=null."""
    for number, loss in enumerate((0.5, 0.7)):
        results = {"val/own_loss": loss, "monitor": "val/own_loss", "mode": "max"}
        write(made(f"outputs/{number}", "monitor=val/own_loss", f"seed={number}"), status="finished", **results)
    assert call("report", "outputs") == 0
    assert "The best val/own_loss of those with the best mean, 0.7000: outputs/1\n" in capsys.readouterr().out


def test_a_pruned_run_is_shown_but_compared_with_none(study, call, capsys):
    made("outputs/study/4", "name=study", "net=linear", "seed=2", status="pruned", val_loss=0.01)
    made("outputs/study/5", "name=study", "net=cnn", "seed=0", status="pruned", val_loss=0.02)
    assert call("report", "outputs/study") == 0
    out = capsys.readouterr().out
    assert [row[0] for row in rows(out)] == ["net", "linear", "mlp", "cnn"]
    assert rows(out)[1][1:4] + rows(out)[1][-3:] == ["0.1500", "±", "0.0707", "2", "of", "3"]
    assert "\n6 runs: 4 finished, 2 pruned\n" in out
    assert "The best val/loss of those with the best mean, 0.1000: outputs/study/3\n" in out
    assert call("report", "outputs/study", "--status", "pruned", "--each") == 0
    out = capsys.readouterr().out
    assert [row[-1] for row in rows(out)[1:]] == ["4", "5"]
    assert "The best" not in out


def test_what_a_search_keeps_beside_its_jobs_is_no_run_and_no_matter(study, call, capsys):
    for name in ("study.journal", ".lock", "multirun.yaml", "best.yaml"):
        (Path("outputs/study") / name).write_text("{")
    assert call("report", "outputs/study") == 0
    assert capsys.readouterr().err == ""


@pytest.fixture
def grid(folder: Path) -> list[float]:
    """Two nets, which matter most, two batch sizes, which matter less, and three seeds, which hardly do: the losses."""
    losses = []
    for number, (net, size, seed) in enumerate(itertools.product(("mlp", "linear"), (8, 16), (0, 1, 2))):
        losses.append(1.0 + 0.5 * (net == "linear") + 0.2 * (size == 16) + 0.02 * (number * 7 % 5))
        words = (f"net={net}", f"data.batch_size={size}", f"seed={seed}")
        os.utime(made(f"outputs/grid/{number}", *words, val_loss=losses[-1]) / "results.json", (0, 1000 - number))
    return losses


def decisive(out: str) -> dict[str, int]:
    """Per cent of each setting, as a report says it."""
    found = re.search(r"^What decides val/loss: (.*)$", out, re.MULTILINE)
    return {name: int(share) for name, share in re.findall(r"(\S+) (\d+)%", found[1])} if found else {}


def test_the_settings_that_matter_are_told_and_the_seed_is_none(grid, call, capsys):
    pytest.importorskip("optuna")
    assert call("report", "outputs") == 0
    shares = decisive(capsys.readouterr().out)
    assert list(shares) == ["net", "data.batch_size", "seed"]
    assert shares["net"] > 60
    assert 10 < shares["data.batch_size"] < 30
    assert shares["seed"] < 10


def test_a_run_that_has_diverged_does_not_decide_alone(grid, call, capsys):
    pytest.importorskip("optuna")
    write(Path("outputs/grid/10"), status="finished", **{"val/loss": 1e9})
    assert call("report", "outputs") == 0
    assert decisive(capsys.readouterr().out)["net"] > 60


def test_what_would_be_chance_is_not_told(grid, call, capsys, monkeypatch):
    pytest.importorskip("optuna")
    shutil.rmtree("outputs/grid/11")
    assert call("report", "outputs", "--html", "runs.html") == 0
    assert not decisive(capsys.readouterr().out)
    assert (
        "11 finished runs are too few to tell which of 3 settings matter: 4 each are needed."
        in Path("runs.html").read_text()
    )
    assert call("report", "outputs", "--where", "net=mlp", "seed=0", "--html", "runs.html") == 0  # one setting is left
    assert "too few" not in Path("runs.html").read_text()


def test_without_optuna_the_table_is_as_it_was(grid, call, capsys, monkeypatch):
    monkeypatch.setattr("src.reports.importances.find_spec", lambda package: None)
    assert call("report", "outputs") == 0
    assert not decisive(capsys.readouterr().out)


def test_the_page_has_a_bar_for_each_setting(grid):
    pytest.importorskip("plotly")
    pytest.importorskip("optuna")
    [bar] = bars(Comparison(read_records(["outputs"]), None, False, False)).data
    assert list(bar["y"]) == ["seed ", "data.batch_size ", "net "]


def test_the_page_has_the_scores_in_the_order_of_time_and_the_best_so_far(grid):
    pytest.importorskip("plotly")
    write(Path("outputs/grid/8"), status="pruned", **{"val/loss": 0.1})
    os.utime("outputs/grid/8/results.json", (0, 1000 - 8))
    made("outputs/grid/12", "net=cnn", status="failed")
    comparison = Comparison(read_records(["outputs"]), None, False, False)
    traces = {trace["name"]: trace for trace in history(comparison).data}
    backwards = grid[::-1]
    del backwards[12 - 1 - 8]
    assert list(traces["pruned"]["x"]) == [4]
    assert list(traces["each run"]["y"]) == backwards
    assert list(traces["the best so far"]["y"]) == list(itertools.accumulate(backwards, min))


def cut(file: Path, before: str) -> None:
    """Leave what stands before a line that begins so."""
    file.write_text(file.read_text().partition(f"\n{before}")[0] + "\n")


HALVES: dict[str, tuple[Any, str]] = {
    "no config": (lambda run: (run / ".hydra/config.yaml").unlink(), "it holds no .hydra/config.yaml"),
    "no overrides": (lambda run: (run / ".hydra/overrides.yaml").unlink(), "it holds no .hydra/overrides.yaml"),
    "half a config": (lambda run: cut(run / ".hydra/config.yaml", "module:"), "its config holds no module"),
    "half the results": (lambda run: os.truncate(run / "results.json", 20), "results.json is damaged"),
    "other results": (lambda run: (run / "results.json").write_text("{}"), "results.json holds no status"),
    "another program's": (
        lambda run: (run / ".hydra/config.yaml").write_text("db: mysql\n"),
        "its config holds no data",
    ),
    "no text": (lambda run: (run / ".hydra/config.yaml").write_bytes(b"\xff\xfe\x00"), ""),
    "a pipe": (lambda run: ((run / "results.json").unlink(), os.mkfifo(run / "results.json")), "not that of a run"),
    "huge": (lambda run: (run / "results.json").write_text(" " * 2_000_000), "results.json is not that of a run"),
    "code": (
        lambda run: (run / ".hydra/overrides.yaml").write_text('- !!python/object/apply:os.mkdir ["ran"]\n'),
        "could not determine a constructor",
    ),
    "laughs": (
        lambda run: (run / ".hydra/overrides.yaml").write_text(
            "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
        ),
        "its YAML is none that a run writes",
    ),
    "an abyss": (lambda run: (run / "results.json").write_text("[" * 100_000), "results.json is damaged"),
    "another abyss": (
        lambda run: (run / ".hydra/config.yaml").write_text("[" * 100_000),
        "its YAML is none that a run writes",
    ),
}


@pytest.mark.parametrize("half", HALVES)
def test_what_is_no_whole_run_is_named_and_left_out(study, call, capsys, half):
    breaks, says = HALVES[half]
    breaks(made("outputs/study/broken", "net=mlp", val_loss=0.0))
    assert call("report", "outputs", "--each") == 0
    said = capsys.readouterr()
    assert len(rows(said.out)) == 5
    assert said.err.startswith("Skipped outputs/study/broken: ")
    assert says in said.err
    assert len(said.err.splitlines()) == 1
    assert not Path("ran").exists()


def test_many_of_them_are_counted(study, call, capsys):
    for number in range(15):
        write(Path("outputs/study") / str(number), status=3) if number < 4 else Path(f"outputs/{number}").mkdir()
        (Path("outputs") / str(number) / "results.json").write_text("{") if number >= 4 else None
    made("outputs/whole", val_loss=0.1)
    assert call("report", "outputs") == 0
    said = capsys.readouterr().err.splitlines()
    assert (len(said), said[-1]) == (11, "Skipped 5 more.")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["outputs/nix"], "outputs/nix does not exist."),
        (["outputs/study/0/results.json"], "outputs/study/0/results.json is no folder."),
        (["outputs/study/0/logs"], "There is no run in outputs/study/0/logs."),
        (["outputs", "--sort", "test/acuracy"], "--sort test/acuracy: no run has it. Did you mean 'test/accuracy'"),
        (
            ["outputs", "--sort", "x"],
            "--sort x: no run has it. There are val/loss, test/loss, test/accuracy, net, seed.",
        ),
        (["outputs", "--where", "nett=mlp"], "--where nett=mlp: nett is no key of these runs. Did you mean 'net'"),
        (["outputs", "--where", "net=cnn"], "--where net=cnn: no run has it. There are net=mlp, linear."),
        (["outputs", "--where", "net"], "'net' is not KEY=VALUE."),
        (["outputs", "--status", "broken"], "--status broken: no run is. There are finished."),
        (["outputs", "--csv", "runs.txt"], "--csv runs.txt: it must end in .csv."),
        (["outputs", "--csv", "nix/runs.csv"], "--csv nix/runs.csv: the folder nix does not exist."),
    ],
)
def test_a_mistake_is_a_line(study, call, capsys, words, says):
    assert call("report", *words) == 1
    said = capsys.readouterr()
    assert said.err.startswith(f"Error: {says}")
    assert len(said.err.splitlines()) == 1
    assert said.out == ""
    assert {path.name for path in Path().iterdir()} == {"outputs"}


def test_a_score_that_is_not_known_is_last_and_no_text_moves_the_terminal(study, call, capsys):
    write(made("outputs/study/4", "seed=5", "net=cnn"), status="failed", error="\x1b[2Jgone", **{"val/loss": None})
    write(made("outputs/study/5", "seed=6", "net=cnn"), status="\x1b[31m", **{"val/loss": float("nan")})
    write(made("outputs/\x1b[1m", "seed=7"))
    made("outputs/study/\udcff", "seed=8", status=None)
    assert call("report", "outputs", "--each", "--csv", "runs.csv") == 0
    said = capsys.readouterr()
    assert [row[-1] for row in rows(said.out)[1:8]] == ["3", "2", "1", "0", "4", "5", "?"]
    assert b"outputs/study/\xff,unfinished," in Path("runs.csv").read_bytes()
    assert "Skipped outputs/?[1m: " in said.err
    assert "\x1b" not in said.out + said.err


@pytest.fixture
def page(study, call) -> str:
    """The page of the study, with a picture in its best run, and another one in the fourth."""
    pytest.importorskip("plotly")
    pytest.importorskip("itables")
    for job in (3, 0):
        (Path("outputs/study") / str(job) / "plots").mkdir()
        Image.new("RGB", (3000, 600), "red").save(f"outputs/study/{job}/plots/fit.png")
    made("outputs/evil/<b>", "data.batch_size=8", val_loss=0.9)
    evil = made("outputs/evil/1", "net=cnn")
    write(evil, status="failed", error=EVIL, **{f"val/{EVIL}": 1.0})
    with (evil / ".hydra" / "config.yaml").open("a") as config:
        config.write(f"{json.dumps(EVIL)}: {json.dumps(EVIL)}\n")
    Path("outputs/evil/<b>/plots").mkdir()
    Path("outputs/evil/<b>/plots/broken.png").write_bytes(b"no picture")
    os.mkfifo("outputs/study/3/plots/pipe.png")
    assert call("report", "outputs", "--html", "runs.html") == 0
    return Path("runs.html").read_text()


EVIL = "</script><img/src/onerror='evil()'>"


class Page(HTMLParser):
    """What a browser finds in a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script":
            self.scripts += data


def test_the_page_loads_nothing_and_nothing_that_a_run_says_is_a_part_of_it(page):
    tags = Page(page).tags
    for tag, attributes in tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert "onerror" not in attributes
        assert (attributes.get("src") or "data:image/webp").startswith("data:image/webp")
    policy = next(attributes["content"] for tag, attributes in tags if "http-equiv" in attributes)
    assert str(policy).startswith("default-src 'none'")
    assert "http" not in str(policy)
    assert EVIL not in page


def test_the_page_has_tables_curves_coordinates_and_the_pictures_of_the_best(page):
    read = Page(page)
    pictures = [str(attributes["src"]) for tag, attributes in read.tags if tag == "img" and "src" in attributes]
    shown = [Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2]))) for picture in pictures]
    assert [image.size for image in shown] == [(1000, 200)]
    kinds = set(re.findall(r'"type":"(scatter|parcoords)"', page))
    assert kinds == {"scatter", "parcoords"}
    assert r"[\"NaN\"" not in page
    assert len(re.findall(r"new ITable", page)) == 2
    assert "python -m src.train net=linear seed=1" in page


def test_the_page_needs_its_extra_and_says_so_before_anything_else(study, call, capsys, monkeypatch):
    monkeypatch.setattr("src.console.extras.find_spec", lambda package: None)
    assert call("report", "outputs", "--html", "runs.html") == 1
    said = capsys.readouterr()
    assert said.err == 'Error: --html runs.html needs the package plotly: pip install -e ".[report]"\n'
    assert said.out == ""


def test_a_real_sweep_is_read_without_torch(call, folder):
    words = ("data=wine", "net.hidden=[4]", "trainer.max_epochs=1", "optimizer.lr=0.1,0.01", "seed=0,1")
    assert call("train", "-m", "name=study", *words) == 0
    code = "import sys; from src.report import main; main(); print('torch' in sys.modules, 'lightning' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "outputs"], capture_output=True, text=True, env={"PYTHONPATH": str(PROJECT)}
    )
    assert done.returncode == 0, done.stderr
    losses: dict[str, list[float]] = {"0.1": [], "0.01": []}
    for file in Path("outputs/study").glob("*/results.json"):
        config = OmegaConf.load(file.parent / ".hydra" / "config.yaml")
        losses[str(config.optimizer.lr)].append(json.loads(file.read_text())["val/loss"])
    table = rows(done.stdout)
    assert table[0] == ["optimizer.lr", "val/loss", "test/accuracy", "runs"]
    for lr, loss, _, deviation, *_, runs in table[1:]:
        assert (loss, runs) == (f"{statistics.mean(losses[lr]):.4f}", "2")
        assert deviation == f"{statistics.stdev(losses[lr]):.4f}"
    *_, best, has_imported = done.stdout.splitlines()
    assert best.startswith("python -m src.train data=wine 'net.hidden=[4]' trainer.max_epochs=1 optimizer.lr=0.")
    assert has_imported == "False False"


@pytest.mark.slow
def test_a_thousand_runs_are_read_in_five_seconds(call, capsys):
    pytest.importorskip("optuna")
    one = made("outputs/0", "seed=0", val_loss=0.5, test_accuracy=0.5)
    for number in range(1, 1000):
        (Path("outputs") / str(number) / ".hydra").mkdir(parents=True)
        for file in ("config", "hydra", "overrides"):
            text = (one / ".hydra" / f"{file}.yaml").read_text().replace("lr: 0.004", f"lr: {number // 10}")
            text = text.replace("\nseed: 0", f"\nseed: {number % 10}")
            (Path("outputs") / str(number) / ".hydra" / f"{file}.yaml").write_text(text)
        write(Path("outputs") / str(number), status="finished", **{"val/loss": number / 1000})
    began = time.process_time()  # whatever else this machine does
    assert call("report", "outputs", "--each") == 0
    assert time.process_time() - began < 5
    out = capsys.readouterr().out
    assert len(rows(out)) == 1001
    assert "optimizer.lr" in decisive(out)
