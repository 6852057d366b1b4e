"""A sweep: a folder for each job, what is done stays done, a bad job is not the end, and what came out is told."""

from __future__ import annotations

import fcntl
import importlib
import itertools
import json
import os
import random
import re
import signal
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_automatic_config_search_path
from hydra.core.plugins import Plugins
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from src.config.compose import CONF, flat
from src.files.checkpoints import load_checkpoint
from src.sweeps.configs import JobConfigs
from src.sweeps.job import Job
from src.sweeps.names import LONGEST, job_name, values_of
from tests.conftest import killed_often

TINY = ("data=wine", "net.hidden=[4]", "trainer.max_epochs=1")
STUDY = Path("outputs/study")


def jobs(folder: Path = STUDY) -> dict[str, dict[str, Any]]:
    """results.json of each job, by what is in its folder's name beside TINY."""
    found = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/results.json")}
    tiny = job_name(values_of(TINY)).split(",")
    return {",".join(part for part in name.split(",") if part not in tiny): found[name] for name in found}


def moments(folder: Path = STUDY) -> dict[str, int]:
    """When results.json of each finished job was written."""
    files = folder.glob("*/results.json")
    return {file.parent.name: file.stat().st_mtime_ns for file in files if '"finished"' in file.read_text()}


# --- folders ----------------------------------------------------------------------------------------------------------


@pytest.mark.quick
@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (["seed=0", "net=mlp", "optimizer.lr=0.01"], "net=mlp,optimizer.lr=0.01,seed=0"),
        (["name=study", "hydra.verbose=true", "retry_failed=false", "max_failures=2", "seed=0"], "seed=0"),
        (["+data.size=5", "net.hidden=[512,128]"], "data.size=5,net.hidden=512+128"),
        (["net.hidden=[8]"], "net.hidden=8+"),
        (["name=study"], "default"),
    ],
)
def test_a_name_is_what_was_typed_in_the_order_of_the_keys(overrides, name):
    assert job_name(values_of(overrides)) == name


@pytest.mark.quick
def test_two_jobs_never_share_a_name_and_every_name_is_one_of_a_file():
    values = [
        "a,b",
        "a+b",
        "[a,b]",
        "[a]",
        "a",
        "A",
        "a/b",
        "a b",
        "a\nb",
        "'a'",
        "{x:1,y:2}",
        "é",
        "..",
        "x" * 200,
        "",
    ]
    values += ["x" * 199 + "y", "1,seed=0", "[[1],[2]]", "[1,[2]]", "$HOME", "~", "*", "a\\b", "a:b"]
    names = [job_name({"net": value}) for value in values] + [job_name({"net": "1", "seed": "0"})]
    assert len({name.lower() for name in names}) == len(names)
    for name in names:
        assert len(name) <= LONGEST
        assert all(c.isascii() and (c.isalnum() or c in "_.,=+-") for c in name), name


def test_a_changed_order_and_longer_lists_find_what_is_done(call, capsys, trained):
    assert call("train", "-m", *TINY, "name=study", "seed=0,1") == 0
    assert {name: results["seed"] for name, results in jobs().items()} == {"seed=0": 0, "seed=1": 1}
    written = moments()
    trained.clear()
    capsys.readouterr()
    assert call("train", "-m", "name=study", "seed=2,1,0", *reversed(TINY)) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "2 done, 1 to run"
    assert said[1].startswith("3/3  seed=2  val/loss ")
    assert len(trained) == 1
    assert moments().items() > written.items()


def test_lists_may_stand_in_a_yaml(call):
    Path("conf/experiment").mkdir(parents=True)
    lists = "hydra:\n  sweeper:\n    params:\n      seed: range(2)\n      data.batch_size: 8,16\n"
    Path("conf/experiment/mine.yaml").write_text(f"# @package _global_\n{lists}")
    assert call("train", "-m", "--config-dir", "conf", *TINY, "experiment=mine", "name=study", "seed=1") == 0
    asked = {path.parent.name for path in STUDY.glob("*/results.json")}
    assert asked == {job_name(values_of([*TINY, "experiment=mine", "seed=1", f"data.batch_size={n}"])) for n in (8, 16)}


def test_what_is_done_costs_no_time(call, monkeypatch):
    assert call("train", "-m", *TINY, "name=study", "seed=range(2)") == 0
    monkeypatch.setattr("hydra._internal.config_loader_impl.ConfigLoaderImpl.load_sweep_config", lambda *_: 1 / 0)
    assert call("train", "-m", *TINY, "name=study", "seed=range(2)") == 0


def test_a_job_that_was_done_with_other_files_of_the_config_is_refused(call, capsys):
    """Not passed over, as if it were the same."""
    conf = Path("conf/experiment")
    conf.mkdir(parents=True)
    arguments = ("--config-dir", "conf", "experiment=mine", *TINY, "name=study", "seed=0,1")
    for rate in (0.1, 0.2):
        (conf / "mine.yaml").write_text(f"# @package _global_\noptimizer:\n  lr: {rate}\n")
        os.utime(conf / "mine.yaml", (time.time() + 60, time.time() + 60))
        assert call("train", "-m", *arguments) == (0 if rate == 0.1 else 1)
    assert "optimizer.lr=0.1 (now 0.2)" in capsys.readouterr().err


def composed(loader: ConfigLoaderImpl, master: DictConfig, words: list[str]) -> str:
    try:
        cfg = loader.load_sweep_config(master, words)
    except Exception as error:
        return f"{type(error).__name__}: {error} {error.__cause__}"
    flags = [OmegaConf.is_struct(cfg), OmegaConf.is_struct(cfg.data), OmegaConf.is_readonly(cfg.hydra)]
    return f"{flags} {OmegaConf.to_yaml(cfg)}"


@pytest.mark.quick
def test_a_job_has_the_config_that_its_files_give_it_though_they_are_read_once():
    where = create_automatic_config_search_path(None, None, str(CONF))
    hydras, ours = ConfigLoaderImpl(where), JobConfigs(where)
    master = hydras.load_configuration("train", ["hydra.mode=MULTIRUN", "seed=0,1"], RunMode.MULTIRUN)
    for overrides in (
        ["seed=3", "optimizer.lr=0.5", "net.hidden=[8]", "name='a, b'"],
        ["net=cnn", "data=digits", "seed=3", "~scheduler", "callbacks.early_stopping=null"],
        ["hydra.run.dir=here", "+data.size=5", "++metrics.own={a: 1}", "experiment=parabola", "data={batch_size: 7}"],
        ["seed=4", "optimizer.lr=0.1"],
        ["trainer.max_epoch=1"],
        ["net=resmet"],
        ["+seed=1"],
        ["~seed=7"],
    ):
        assert composed(ours, master, overrides) == composed(hydras, master, overrides)
    assert len(ours.of_files) == 3


# --- bad jobs ---------------------------------------------------------------------------------------------------------


def test_a_bad_job_is_named_at_the_end_and_tried_again(call, capsys, trained):
    assert call("train", "-m", *TINY, "name=study", "optimizer.lr=-1,0.01,1e30") == 1
    out, err = capsys.readouterr()
    assert [line.split("  ")[0] for line in out.splitlines()[1:4]] == ["1/3", "2/3", "3/3"]
    assert "2 of 3 jobs failed:" in err
    bad = f"{STUDY}/" + job_name(values_of([*TINY, "optimizer.lr=-1"]))
    assert f"  {bad}  optimizer.lr=-1: a number above 0 is needed.\n" in err
    assert "Traceback" not in err
    assert {name: results["status"] for name, results in jobs().items()} == {
        "optimizer.lr=-1": "failed",
        "optimizer.lr=0.01": "finished",
        next(name for name in jobs() if "e-30" in name or "e+30" in name): "failed",
    }
    trained.clear()
    assert call("train", "-m", *TINY, "name=study", "optimizer.lr=-1,0.01", "retry_failed=false") == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "1 done, 1 failed before"
    assert "1 of 2 jobs failed:" in err
    assert trained == []
    assert call("train", "-m", *TINY, "name=study", "optimizer.lr=-1,0.01") == 1
    assert len(trained) == 1


@pytest.mark.quick
@pytest.mark.parametrize(
    ("left", "state"),
    [
        ([], "new"),
        (["checkpoints/last.ckpt"], "begun"),
        (["checkpoints/previous.ckpt"], "begun"),  # killed between two renames
        (["checkpoints/last.ckpt", "results.json"], "failed"),
        (["results.json", "checkpoints/last.ckpt"], "begun"),  # tried again, and killed
    ],
)
def test_a_job_that_was_tried_again_and_killed_goes_on(left, state):
    job = Job(STUDY, ["seed=0"])
    for age, name in zip((20, 10), left, strict=False):
        file = job.run.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('{"status": "failed"}')
        os.utime(file, (time.time() - age, time.time() - age))
    job.read()
    assert job.state == state


@pytest.mark.parametrize("error", [SystemExit(0), MemoryError(), ZeroDivisionError("in the net")])
def test_whatever_ends_a_job_does_not_end_the_sweep(call, capsys, monkeypatch, error):
    def leave(self: Any, trainer: Any, module: Any) -> None:
        if trainer.datamodule.loading.batch_size == 7:
            raise error

    with monkeypatch.context() as patched:
        patched.setattr("src.callbacks.summary.Summary.on_train_start", leave)
        assert call("train", "-m", *TINY, "name=study", "data.batch_size=7,8") == 1
    assert [jobs()[f"data.batch_size={size}"]["status"] for size in (7, 8)] == ["failed", "finished"]
    assert ("Traceback" in capsys.readouterr().err) == (not isinstance(error, MemoryError))
    assert call("train", "-m", *TINY, "name=study", "data.batch_size=7,8") == 0  # it was not the job's fault


def test_a_job_that_cannot_be_composed_is_a_bad_job_too(call, capsys, monkeypatch):
    Plugins.instance()  # which loads the module anew
    monkeypatch.setattr(importlib.import_module("hydra_plugins.kindling.grid"), "MOST_COMPOSED", 1)
    assert call("train", "-m", *TINY, "name=study", "optimizer=adamw,nope") == 1
    assert "optimizer=nope: there are" in capsys.readouterr().err
    assert [results["status"] for results in jobs().values()] == ["finished"]


def test_so_many_bad_jobs_end_it_earlier(call, capsys):
    assert call("train", "-m", *TINY, "name=study", "optimizer.lr=-1,-2,-3,0.01", "max_failures=2") == 1
    assert "max_failures=2 is reached: 2 jobs were not run." in capsys.readouterr().out
    assert sorted(jobs()) == ["optimizer.lr=-1", "optimizer.lr=-2"]


def test_several_devices_in_one_process_are_refused(call, capsys):
    """Their processes would begin with the whole sweep."""
    assert call("train", "-m", *TINY, "name=study", "trainer=cpu", "trainer.devices=2,1") == 1
    assert "on one device, not 2: add launcher=local, or trainer.devices=1.\n" in capsys.readouterr().err
    assert sorted(results["status"] for results in jobs().values()) == ["failed", "finished"]


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["seed=range(0)"], "There is nothing to run: one of the lists, such as range(0), is empty."),
        (["optimizer.lrr=1,2"], "'optimizer.lrr' is not a key of the config. Did you mean 'optimizer.lr'?"),
        (["optimizer=adamw,nope"], "optimizer=nope: there are"),
        (["optimizer.lr=interval(0,1)"], "optimizer.lr=interval(0,1): a grid needs values"),
        (["max_failures=0"], "max_failures=0: a whole number from 1 is needed, or null."),
        (["retry_failed=3"], "retry_failed=3: true or false is needed."),
        (["name=a,b"], "name= takes one value"),
        (["hydra.sweep.subdir=x"], "hydra.sweep.subdir= is taken"),
    ],
)
def test_a_refused_command_leaves_nothing_behind(call, capsys, arguments, says):
    name = ["name=study"] if len(says) % 2 else []  # every second one's folder is named by the time
    assert call("train", "-m", *TINY, *name, *arguments) == 1
    assert f"Error: {says}" in capsys.readouterr().err
    assert not list(Path("outputs").glob("*"))


def test_the_folder_of_a_run_is_none_for_a_sweep(train, call, capsys):
    train(*TINY, "name=study")
    assert call("train", "-m", *TINY, "name=study", "seed=0,1") == 1
    assert f"{STUDY} holds a run. Choose another name= for the sweep." in capsys.readouterr().err


def test_a_sweep_that_goes_on_elsewhere_is_refused_until_its_process_has_ended(forked, call, capsys):
    STUDY.mkdir(parents=True)
    here, there = os.pipe()

    def wait() -> None:
        file = (STUDY / ".lock").open("a")
        fcntl.lockf(file, fcntl.LOCK_EX)
        os.write(there, b".")
        time.sleep(60)

    process = forked("train", "--help", before=wait)
    os.read(here, 1)
    assert call("train", "-m", *TINY, "name=study") == 1
    assert f"{STUDY} is being filled by another sweep. Choose another name=." in capsys.readouterr().err
    assert [path.name for path in STUDY.iterdir()] == [".lock"]
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    assert call("train", "-m", *TINY, "name=study") == 0


# --- what is told -----------------------------------------------------------------------------------------------------


def test_the_closing_table_has_mean_and_deviation_over_seeds_and_folds(call, capsys):
    lists = ("optimizer.lr=0.001,0.1", "seed=0,1", "data.folds=3", "data.fold=0,2")
    assert call("train", "-m", *TINY, "name=study", *lists) == 0
    lines = capsys.readouterr().out.splitlines()[:-1]
    assert lines[-4].split() == ["val/loss", "test/accuracy", "jobs"]
    means = []
    for line, rate in zip(lines[-3:-1], ("0.1", "0.001"), strict=True):
        scores = [[r[m] for n, r in jobs().items() if f"lr={rate}," in n] for m in ("val/loss", "test/accuracy")]
        spreads = [f"{statistics.fmean(s):.4f} +- {statistics.stdev(s):.4f}" for s in scores]
        assert line.split() == f"optimizer.lr={rate} {spreads[0]} {spreads[1]} 4".split()
        means.append(statistics.fmean(scores[0]))
    assert means[0] < means[1]
    best = min(STUDY.glob("*/results.json"), key=lambda path: json.loads(path.read_text())["val/loss"])
    assert lines[-1] == f"best: {best.parent}"
    so_far = [line for line in lines[1:9] if line.endswith("best so far")]
    losses = [float(line.split("val/loss ")[1].split()[0]) for line in so_far]
    assert losses == sorted(losses, reverse=True)


def test_a_terminal_shows_how_far_the_sweep_and_its_job_are(call, capsys, monkeypatch):
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    assert call("train", "-m", *TINY, "name=study", "seed=0,1") == 0
    out, err = capsys.readouterr()
    assert "job 1/2" in err
    assert re.search(r"job 2/2.* best val/loss [\d.]+", err)
    assert "training" in err
    assert "2/2  seed=1  val/loss" in out
    assert "layer" not in out


def test_what_concerns_every_job_is_said_once(call, capsys):
    for name in ("study", "other"):
        assert call("train", "-m", "data=wine", "trainer.max_epochs=50", f"name={name}", "seed=0,1") == 0
        assert capsys.readouterr().err.count("Epochs are short") == 1


def test_a_larger_monitor_is_better_where_its_metric_says_so(call, capsys):
    arguments = ("monitor=val/accuracy", "optimizer.lr=1e-6,0.1", "trainer.max_epochs=3")
    assert call("train", "-m", "data=wine", "net.hidden=[8]", "name=study", *arguments) == 0
    assert "optimizer.lr=0.1" in capsys.readouterr().out.splitlines()[-2]


def test_a_long_table_is_cut_and_the_rest_counted(call, capsys, monkeypatch):
    monkeypatch.setattr("src.sweeps.table.MOST", 2)
    assert call("train", "-m", *TINY, "name=study", "optimizer.lr=0.1,0.2,0.3,0.4") == 0
    assert capsys.readouterr().out.splitlines()[-3] == "and 2 more"


# --- best.yaml --------------------------------------------------------------------------------------------------------

BEST = "experiment=outputs/study/best.yaml"


def written(folder: Path) -> dict[str, Any]:
    return flat(OmegaConf.load(folder / ".hydra" / "config.yaml"))  # type: ignore


def test_the_best_settings_are_an_experiment_that_trains_to_the_same_weights(call, capsys):
    """Whatever was typed: groups, keys, an item of a list, what is added, what is left out, another experiment."""
    groups = ("data=wine", "scheduler=constant", "+metrics.kappa._target_=torchmetrics.CohenKappa")
    values = ("net.hidden=[4]", "optimizer.groups=[{parameters: '*.weight', lr: 0.1}]")
    items = ("data.fractions.0=0.6", "data.fractions.1=0.25")
    lists = ("net=linear,mlp", "optimizer.groups.0.lr=1e-4,1e-1", "seed=4,5")
    deleted, experiment = "~callbacks.learning_curve", ("experiment=softmax_digits", "trainer.max_epochs=1")
    assert call("train", "-m", "name=study", *experiment, *groups, *values, *items, deleted, *lists) == 0
    *_, best, again = capsys.readouterr().out.splitlines()
    assert again == f"The best settings again: python -m src.train {BEST} '{deleted}'"
    assert again.partition(": ")[2] in (STUDY / "best.yaml").read_text()
    job = Path(best.removeprefix("best: "))
    seed = f"seed={json.loads((job / 'results.json').read_text())['seed']}"
    assert call("train", "name=study_again", BEST, deleted, seed) == 0
    assert {**written(Path("outputs/study_again")), "name": "study"} == written(job)
    one, other = (load_checkpoint(run / "checkpoints" / "best.ckpt") for run in (job, Path("outputs/study_again")))
    assert one["state_dict"].keys() == other["state_dict"].keys()
    assert all(value.equal(other["state_dict"][name]) for name, value in one["state_dict"].items())


@pytest.fixture
def study(call) -> Callable[..., int]:
    """`study({"lr=0.1,seed=0": 0.5})` repeats a sweep of three rates and two seeds, some jobs with another val/loss."""
    arguments = ("train", "-m", *TINY, "name=study", "optimizer.lr=0.1,0.2,0.3", "seed=0,1")
    assert call(*arguments) == 0

    def study(losses: dict[str, float | None]) -> int:
        for (job, loss), file in itertools.product(losses.items(), STUDY.glob("*/results.json")):
            if job in file.parent.name:
                results = json.loads(file.read_text()) | {"status": "finished" if loss else "failed", "val/loss": loss}
                file.write_text(json.dumps(results))
        return call(*arguments, "retry_failed=false")

    return study


def test_best_yaml_is_that_of_the_best_mean_and_goes_with_its_sweep(study):
    file = STUDY / "best.yaml"
    assert (
        study({"lr=0.1,": 0.5, "lr=0.2,": 0.4, "lr=0.2,seed=1": 0.5, "lr=0.3,seed=0": 0.1, "lr=0.3,seed=1": 9.0}) == 0
    )
    assert "# The best of outputs/study: val/loss 0.45, the mean over seed.\n" in file.read_text()
    assert OmegaConf.load(file).optimizer.lr == 0.2  # type: ignore
    assert "seed" not in OmegaConf.load(file)
    written = file.stat().st_mtime_ns
    assert study({}) == 0
    assert file.stat().st_mtime_ns == written
    assert study({"lr=0.1,": 0.3}) == 0
    assert OmegaConf.load(file).optimizer.lr == 0.1  # type: ignore
    assert study({"lr": None}) == 1
    assert not file.exists()


def test_a_fold_that_varies_is_left_out_with_the_number_of_folds(call):
    assert call("train", "-m", *TINY, "name=study", "data.folds=3", "data.fold=0,1", "seed=3") == 0
    assert OmegaConf.load(STUDY / "best.yaml").seed == 3  # type: ignore
    assert call("train", BEST, "name=again") == 0


def test_a_file_is_an_experiment_in_every_folder_and_in_a_sweep(call, capsys, monkeypatch):
    file = Path("mine.yaml").absolute()
    file.write_text(
        "# @package _global_\ndefaults:\n  - override /data: wine\n"
        "net:\n  hidden: [4]\ntrainer:\n  max_epochs: 1\noptimizer:\n  lr: 0.1\n"
    )
    choices = ("../mine.yaml", file)
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    for number, choice in enumerate(choices):
        assert call("train", "-m", f"experiment={choice}", "seed=0,1", f"name={number}") == 0
    assert {results["seed"] for results in jobs(Path("outputs/1")).values()} == {0, 1}
    file.write_text(file.read_text().replace("lr: 0.1", "lr: 0.7"))
    capsys.readouterr()
    assert call("train", "-m", "experiment=../mine.yaml", "seed=0,1", "name=0") == 1  # not passed over
    assert "optimizer.lr=0.1 (now 0.7)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ("nix.yaml", "experiment=nix.yaml: there is no such file."),
        ("outputs/nix.yaml", "experiment=outputs/nix.yaml: there is no such file."),
        ("outputs/study", "experiment=outputs/study: the path of a file ends in .yaml."),
        ("bad.yaml", "bad.yaml is no YAML: while parsing a flow node."),
    ],
)
def test_a_path_that_is_no_experiment_is_a_line(call, capsys, choice, says):
    Path("bad.yaml").write_text("a: [")
    assert call("train", f"experiment={choice}", *TINY) == 1
    assert capsys.readouterr().err == f"Error: {says}\n"


# --- killed -----------------------------------------------------------------------------------------------------------


def scores(folder: Path) -> dict[str, dict[str, Any]]:
    kept = ("status", "epochs", "seed")
    return {n: {k: v for k, v in r.items() if "/" in k or k in kept} for n, r in jobs(folder).items()}


def test_a_sweep_that_is_killed_ends_as_if_it_had_never_been(call, forked):
    """While it starts, and at a random moment after each of its jobs."""
    arguments = ("-m", *TINY[:2], "trainer.max_epochs=3", "callbacks.last.every_seconds=0", "seed=range(4)")
    started = time.monotonic()
    assert call("train", *arguments, "name=whole") == 0
    chance, seconds = random.Random(4), (time.monotonic() - started) / 4
    killed_often(
        start=lambda: forked("train", *arguments, "name=cut"),
        done=lambda: moments(Path("outputs/cut")),
        kills=4,
        waits=lambda kill: kill > 0,
        seconds=lambda: chance.uniform(0, 0.9) * seconds,
    )
    assert scores(Path("outputs/cut")) == scores(Path("outputs/whole"))
    assert not list(Path("outputs/cut").rglob("*partial*"))


def test_a_stopped_sweep_says_how_to_go_on_and_how_much_is_left(forked, call, capsys):
    arguments = ("-m", *TINY[:2], "trainer.max_epochs=100", "callbacks.early_stopping=null", "name=study", "seed=0,1,2")
    process = forked("train", *arguments)
    while not any("seed=1" in path.parent.parent.name for path in STUDY.glob("*/checkpoints/last.ckpt")):
        assert os.waitpid(process, os.WNOHANG)[0] == 0, Path("said.txt").read_text()
        time.sleep(0.002)
    os.kill(process, signal.SIGINT)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 130
    said = Path("said.txt").read_text()
    assert "Stopped. To go on: python -m src.train -m" in said
    assert "Traceback" not in said
    assert call("train", *arguments) == 0
    assert capsys.readouterr().out.splitlines()[0] == "1 done, 1 to continue, 1 to run"


def test_what_is_of_sweeps_alone_is_told_in_a_run(call, finished, capsys):
    finished("data=wine", "net.hidden=[8]", "trainer.max_epochs=1", "name=alone")
    command = ("data=wine", "net.hidden=[8]", "trainer.max_epochs=1", "name=alone", "launcher=local")
    assert call("train", *command, "launcher.n_jobs=2") == 0
    assert "launcher=local launcher.n_jobs=2 changes nothing without -m: this is one run" in capsys.readouterr().err
    assert call("train", *command[:-2], "-m", "name=swept", "launcher=basic") == 0
    assert "without -m" not in capsys.readouterr().err
