"""A search: what it may choose, what it finds, what it leaves where it is killed, and what a pruner saves."""

from __future__ import annotations

import json
import multiprocessing
import os
import pkgutil
import random
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from src.config.compose import compose
from src.console.messages import UserError
from src.files.study import close_storage, open_storage
from src.sweeps.samplers import Sampler
from src.sweeps.space import as_override, overrides_of, rounded, space_of
from src.sweeps.study import Study
from src.training import Training
from tests.conftest import killed_often

SEARCH = ("-m", "search=optuna", "data=wine", "net.hidden=[4]", "trainer.max_epochs=1")
RATE = "optimizer.lr=tag(log,interval(1e-4,1e-1))"
HUNT = Path("outputs/hunt")


def study(folder: Path = HUNT) -> optuna.Study:
    return optuna.load_study(study_name=folder.name, storage=open_storage(None, folder))


def trials(folder: Path = HUNT, url: str | None = None) -> list[FrozenTrial]:
    storage = open_storage(url, folder)
    found = optuna.load_study(study_name=folder.name, storage=storage).trials
    close_storage(storage)
    return found


def plain(folder: Path = HUNT) -> list[Any]:
    """What each trial was, and came to."""
    return [(t.number, t.state.name, t.params, t.values, t.intermediate_values) for t in trials(folder)]


def results(trial: FrozenTrial, folder: Path = HUNT) -> dict[str, Any]:
    return json.loads((folder / trial.user_attrs["job"] / "results.json").read_text())


# --- the space --------------------------------------------------------------------------------------------------------


def space(*overrides: str) -> dict[str, Any]:
    return dict(space_of(OverridesParser.create().parse_overrides(list(overrides))))


@pytest.mark.quick
@pytest.mark.parametrize(
    ("override", "distribution"),
    [
        ("a=interval(0,1)", FloatDistribution(0, 1)),
        ("a=tag(log,interval(1e-4,1))", FloatDistribution(1e-4, 1, log=True)),
        ("a=int(interval(2,8))", IntDistribution(2, 8)),
        ("a=range(2,8)", IntDistribution(2, 7)),
        ("a=range(8,2,-2)", IntDistribution(4, 8, step=2)),
        ("a=shuffle(range(2,8))", IntDistribution(2, 7)),
        ("a=tag(log,range(1,9))", IntDistribution(1, 8, log=True)),
        ("a=range(0,1,0.1)", FloatDistribution(0, 0.9, step=0.1)),
        ("a=mlp,cnn", CategoricalDistribution(["mlp", "cnn"])),
        ("a=choice([8],[8,8])", CategoricalDistribution(["[8]", "[8,8]"])),
        ("a=shuffle(1,2,3,4,5)", CategoricalDistribution(["1", "2", "3", "4", "5"])),
    ],
)
def test_what_is_typed_is_what_is_searched(override, distribution):
    assert space(override, "seed=3") == {"a": distribution}


@pytest.mark.quick
@pytest.mark.parametrize(
    ("value", "as_typed"),
    [
        ("tag(log, interval(1e-4, 1))", "a=tag(log,interval(1e-4,1))"),
        ({"low": 1e-4, "high": 0.1, "log": True}, "a=tag(log,interval(1e-4,1e-1))"),
        ({"low": 1, "high": 8}, "a=int(interval(1,8))"),
        (["mlp", [8, 8], None, True, 0.5], "a=mlp,[8,8],null,true,0.5"),
        (3, "a=3"),
    ],
)
def test_a_yaml_says_the_same(value, as_typed):
    overrides = [OverridesParser.create().parse_override(text) for text in (*overrides_of({"a": value}), as_typed)]
    if overrides[1].is_sweep_override():
        assert space_of(overrides[:1]) == space_of(overrides[1:])
    else:
        assert overrides[0].value() == overrides[1].value()


@pytest.mark.quick
def test_a_number_is_short_and_stays_in_its_interval():
    assert rounded(0.12345678901, FloatDistribution(0, 1)) == 0.123457
    assert rounded(1234.5678901, FloatDistribution(1234, 1235)) == 1234.56789
    assert rounded(1.2345678901e-7, FloatDistribution(1e-8, 1, log=True)) == 1.23457e-7
    assert rounded(0.30000000000000004, FloatDistribution(0, 1, step=0.1)) == 0.3
    assert rounded(0.99999999, FloatDistribution(0, 0.99999999)) == 0.99999999
    assert rounded("mlp", CategoricalDistribution(["mlp"])) == "mlp"


@pytest.mark.quick
@pytest.mark.parametrize("line", ["interval(0,1)", "tag(log,interval(0.1,1))", "range(2,8)", "range(2,8,2)", "mlp,cnn"])
def test_a_space_is_told_as_it_is_typed(line):
    [distribution] = space(f"a={line}").values()
    assert as_override(distribution) == line


@pytest.mark.quick
@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("a=interval(1,0)", "a=interval(1,0): the lower end comes first"),
        ("a=interval(1,1)", "the lower end comes first"),
        ("a=tag(log,interval(0,1))", "a logarithmic scale begins above 0"),
        ("a=tag(lg,interval(1,2))", "the only tag is log"),
        ("a=tag(log,choice(1,2))", "a list has no log"),
        ("a=tag(log,range(0,5))", "a logarithmic range begins above 0"),
        ("a=range(0)", "nothing is left to choose"),
        ("name=a,b", "name: it is the search's own"),
        ("search.seed=1,2", "search.seed: it is the search's own"),
        ("a=1", "There is nothing to search"),
    ],
)
def test_what_leaves_no_choice_is_refused(override, says):
    with pytest.raises(UserError, match=says.replace("(", r"\(").replace(")", r"\)")):
        space(override)


def test_a_yaml_is_searched_and_what_is_typed_leaves_the_space(call):
    Path("conf/experiment").mkdir(parents=True)
    Path("conf/experiment/mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /search: optuna\n  - override /data: wine\n"
        "search:\n  n_trials: 2\n  space:\n    optimizer.lr: {low: 0.001, high: 0.1, log: true}\n"
        "    net: [mlp, linear]\n    trainer.max_epochs: 1\n    optimizer.weight_decay: range(0,1,0.1)\n"
    )
    arguments = ("--config-dir", "conf", "experiment=mine", "net=linear", "data.batch_size=16,32", "name=hunt")
    assert call("train", "-m", *arguments) == 0
    assert [set(t.params) for t in trials()] == [{"optimizer.lr", "optimizer.weight_decay", "data.batch_size"}] * 2
    assert [results(t)["epochs"] for t in trials()] == [1, 1]


# --- what it finds ----------------------------------------------------------------------------------------------------


def test_a_search_finds_better_values_and_goes_on_to_a_larger_total(call, capsys, trained):
    arguments = (*SEARCH, RATE)
    assert call("train", *arguments, "name=hunt", "search.n_trials=3") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "0 of 3 trials done"
    assert [line.split("  ")[0] for line in lines[1:4]] == ["1/3", "2/3", "3/3"]
    scores = {t.user_attrs["job"]: t.value for t in trials()}
    assert scores == {t.user_attrs["job"]: results(t)["val/loss"] for t in trials()}
    assert lines[-2] == f"best: {HUNT}/{min(scores, key=lambda job: scores[job] or 0)}"
    assert lines[-1] == "The best settings again: python -m src.train experiment=outputs/hunt/best.yaml"
    assert str(study().best_params["optimizer.lr"]) in (HUNT / "best.yaml").read_text()
    trained.clear()
    assert call("train", *arguments, "name=hunt", "search.n_trials=5") == 0
    assert capsys.readouterr().out.splitlines()[0] == "3 of 5 trials done"
    assert len(trials()) == 5
    assert len(trained) == 2
    trained.clear()
    assert call("train", *arguments, "name=hunt", "search.n_trials=5") == 0
    assert capsys.readouterr().out.splitlines()[0] == "5 of 5 trials done"
    assert trained == []
    assert call("train", *arguments, "name=other", "search.n_trials=1", "search.seed=1") == 0
    assert trials(Path("outputs/other"))[0].params != trials()[0].params


NUMBERS = (RATE, "optimizer.weight_decay=range(0,0.5,0.1)")


@pytest.mark.parametrize(
    ("sampler", "arguments"),
    [
        ("tpe", (*NUMBERS, "+search.sampler_options.n_startup_trials=2")),
        ("random", NUMBERS),
        ("grid", ("optimizer.lr=0.01,0.1", "data.batch_size=range(16,33,16)", "search.n_trials=9")),
        ("cmaes", (*NUMBERS, "+search.sampler_options.n_startup_trials=2")),
        ("nsgaii", (*NUMBERS, "+search.sampler_options.population_size=2", "search.goals=[val/loss,val/accuracy]")),
    ],
)
@pytest.mark.slow
def test_each_sampler_goes_on_as_if_it_had_not_stopped(sampler, arguments, call, capsys):
    several = 4 if sampler in ("grid", "nsgaii") else 3  # the third is chosen by what came out; nsgaii's may be a copy
    arguments = (*SEARCH, f"search.sampler={sampler}", f"search.n_trials={several}", *arguments)
    assert call("train", *arguments, "name=whole") == 0
    capsys.readouterr()
    for total in (several - 1, several):
        assert call("train", *arguments, "name=hunt", f"search.n_trials={total}") == 0
    assert plain() == plain(Path("outputs/whole"))
    assert len({str(t.params) for t in trials()}) > 2
    if sampler == "nsgaii":
        assert [d.name for d in study().directions] == ["MINIMIZE", "MAXIMIZE"]
        assert [t.values for t in trials()] == [[results(t)["val/loss"], results(t)["val/accuracy"]] for t in trials()]
        lines = capsys.readouterr().out.splitlines()
        assert lines[-1 - len(study().best_trials)].split() == ["val/loss", "val/accuracy"]


def test_a_larger_score_is_better_where_its_metric_says_so(call, capsys):
    assert call("train", *SEARCH, RATE, "name=hunt", "monitor=val/accuracy", "search.n_trials=3") == 0
    best = max(trials(), key=lambda t: t.value or 0)
    assert study().best_trial.value == best.value
    assert f"{best.value:.4f}" in capsys.readouterr().out.splitlines()[-5]


def test_trials_with_the_same_values_have_one_run(call, capsys, trained):
    arguments = (*SEARCH, "net=mlp,linear", "search.sampler=random", "search.n_trials=6", "name=hunt")
    arguments = tuple(argument for argument in arguments if argument != "net.hidden=[4]")
    assert call("train", *arguments) == 0
    assert len(trained) == len(set(trained)) == 2
    assert capsys.readouterr().out.count("known before") == 4
    assert len({(t.params["net"], t.value) for t in trials()}) == 2
    (HUNT / "study.journal").unlink()  # as where it was damaged
    trained.clear()
    assert call("train", *arguments) == 0
    assert trained == []
    assert len(trials()) == 6


# --- bad trials -------------------------------------------------------------------------------------------------------


def test_a_bad_trial_is_named_at_the_end_and_tried_again_once_all_are_there(call, capsys, monkeypatch):
    def leave(self: Any, trainer: Any, module: Any) -> None:
        if trainer.datamodule.loading.batch_size == 7:
            raise MemoryError

    arguments = (*SEARCH, "data.batch_size=7,8,9", "search.sampler=grid", "name=hunt")
    with monkeypatch.context() as patched:
        patched.setattr("src.callbacks.summary.Summary.on_train_start", leave)
        assert call("train", *arguments) == 1
    assert "1 of 3 jobs failed:" in capsys.readouterr().err
    states = {t.params["data.batch_size"]: t.state for t in trials()}
    assert states == {"7": TrialState.FAIL, "8": TrialState.COMPLETE, "9": TrialState.COMPLETE}
    assert call("train", *arguments, "retry_failed=false") == 1
    assert capsys.readouterr().out.splitlines()[0] == "2 of 3 trials done, 1 failed before"
    assert call("train", *arguments) == 0
    assert capsys.readouterr().out.splitlines()[0] == "2 of 3 trials done, 1 to try again"
    assert [t.state for t in trials()].count(TrialState.COMPLETE) == 3
    assert call("train", *arguments) == 0
    assert capsys.readouterr().out.splitlines()[0] == "3 of 3 trials done"


def test_so_many_bad_trials_end_it(call, capsys):
    arguments = (*SEARCH, "optimizer.lr=interval(-2,-1)", "name=hunt", "max_failures=2")
    assert call("train", *arguments) == 1
    assert "max_failures=2 is reached: 18 trials were not run." in capsys.readouterr().out
    assert [t.state for t in trials()] == [TrialState.FAIL] * 2


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "There is nothing to search: give a key a list or an interval"),
        (["optimizer.lr=interval(0.1,0.01)"], "optimizer.lr=interval(0.1,0.01): the lower end comes first"),
        (
            ["data.batch_size=interval(8,64)"],
            "whole number or auto is needed. For those: data.batch_size=int(interval(8,64)).",
        ),
        (["optimizer.lrr=interval(0,1)"], "'optimizer.lrr' is not a key of the config. Did you mean 'optimizer.lr'?"),
        (
            [RATE, "search.sampler=tp"],
            "search.sampler=tp: there are tpe, random, grid, cmaes, nsgaii. Did you mean",
        ),
        (
            [RATE, "search.pruner=medium"],
            "search.pruner=medium: there are median, halving, hyperband, none. Did",
        ),
        ([RATE, "+search.sampler_options.sed=1"], "search.sampler_options={'sed': 1}: "),
        ([RATE, "search.n_trials=0"], "search.n_trials=0: a whole number from 1 is needed."),
        ([RATE, "search.seed=-1"], "search.seed=-1: a whole number from 0 is needed."),
        ([RATE, "search.sampler=grid"], "search.sampler=grid: optimizer.lr is an interval, which no grid can fill."),
        (["net=mlp,linear", "search.sampler=cmaes"], "search.sampler=cmaes searches numbers alone, and net is a list."),
        ([RATE, "search.goals=[val/loss,val/accuracy]", "search.sampler=cmaes"], "search.sampler=cmaes has one goal."),
        (
            [RATE, "search.goals=[val/loss,val/accuracy]", "search.pruner=median"],
            "search.pruner=median compares one",
        ),
        ([RATE, "search.goals=[val/loss,val/loss]"], "search.goals=[val/loss,val/loss]: one metric, or two others."),
        ([RATE, "monitor=val/acc"], "monitor=val/acc is not measured. Did you mean 'val/accuracy'?"),
        ([RATE, "search.goals=[qqqqq]"], "search.goals=qqqqq is not measured. There are val/loss, val/accuracy"),
        ([RATE, "monitor=null", "callbacks.early_stopping=null"], "A search needs a goal: monitor=val/loss"),
        ([RATE, "search.space=3"], "search.space"),
        (["search=grid", RATE], "add search=optuna."),
        (["search=grid", "search.n_trials=5"], "The keys of search. belong to a search: add search=optuna."),
        (["search=optun"], "search=optun: there are grid, optuna. Did you mean 'optuna'?"),
    ],
)
def test_a_refused_command_leaves_nothing_behind(call, capsys, arguments, says):
    name = ["name=hunt"] if len(says) % 2 else []  # every second one's folder is named by the time
    assert call("train", *SEARCH, *name, *arguments) == 1
    assert says in capsys.readouterr().err
    assert not list(Path("outputs").glob("*"))


def test_an_interval_for_a_single_run_is_refused(call, capsys):
    assert call("train", "optimizer.lr=interval(0,1)", "name=hunt") == 1
    said = "Error: optimizer.lr=interval(0,1) makes several runs: add -m, and search=optuna if it is an interval."
    assert said in capsys.readouterr().err


def test_a_space_without_a_search_is_refused(call, capsys):
    Path("conf/experiment").mkdir(parents=True)
    Path("conf/experiment/mine.yaml").write_text("# @package _global_\nsearch:\n  space:\n    seed: range(3)\n")
    assert call("train", "-m", "--config-dir", "conf", "experiment=mine", "name=hunt") == 1
    assert "Error: search.space needs a search: add search=optuna." in capsys.readouterr().err


def test_another_search_is_refused_in_the_same_folder(call, capsys):
    assert call("train", *SEARCH, RATE, "name=hunt", "search.n_trials=1") == 0
    for arguments, says in {
        ("optimizer.lr=interval(0,1)",): "optimizer.lr=tag(log,interval(0.0001,0.1)) (now interval(0,1))",
        (RATE, "net=mlp,linear"): "net=None (now mlp,linear)",
        (RATE, "data.batch_size=8"): "data.batch_size=None (now 8)",
        (RATE, "search.goals=[val/accuracy]"): "search.goals=val/loss (now val/accuracy)",
    }.items():
        assert call("train", *SEARCH, *arguments, "name=hunt", "search.n_trials=2") == 1
        said = capsys.readouterr().err
        assert f"Error: {HUNT} holds a search with {says}. Repeat its command to go on, or choose another name=" in said
    assert len(trials()) == 1


def test_a_module_that_does_not_log_the_goal_ends_the_search(call, capsys):
    """What a module of one's own logs is known when it has run."""
    own = ("module._target_=tests.test_killed.WithPlateau", "search.goals=[val/los]", "mode=min", "monitor=val/loss")
    arguments = ("-m", "search=optuna", "data=wine", "trainer.max_epochs=1", "seed=range(9)", *own, "name=hunt")
    assert call("train", *arguments) == 1
    assert "val/los, which the search is for, is not measured by outputs/hunt/" in (said := capsys.readouterr().err)
    assert "Did you mean 'val/loss'?" in said


def test_a_package_that_is_missing_is_named(call, capsys, monkeypatch):
    monkeypatch.setattr("src.console.extras.find_spec", lambda name: None)
    assert call("train", *SEARCH, RATE, "name=hunt") == 1
    assert 'search=optuna needs the package optuna: pip install -e ".[sweep]"' in capsys.readouterr().err
    assert not HUNT.exists()


def test_a_damaged_journal_is_mended_or_named(call, capsys):
    arguments = (*SEARCH, RATE, "name=hunt")
    assert call("train", *arguments, "search.n_trials=1") == 0
    journal = HUNT / "study.journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":4,"wor')  # the power failed
    assert call("train", *arguments, "search.n_trials=2") == 0
    assert len(trials()) == 2
    journal.write_bytes(b"{" + whole)
    assert call("train", *arguments, "search.n_trials=2") == 1
    assert f"{journal} is damaged" in capsys.readouterr().err


# --- pruning ----------------------------------------------------------------------------------------------------------

LONG = ("-m", "search=optuna", "data=wine", "net.hidden=[8]", "trainer.max_epochs=9", "optimizer.lr=0.05,1e-6")


@pytest.mark.parametrize(
    ("pruner", "options"),
    [
        ("halving", ("+search.pruner_options.reduction_factor=2",)),
        pytest.param(
            "median", ("+search.pruner_options={n_startup_trials:1,n_warmup_steps:2}",), marks=pytest.mark.slow
        ),
    ],
)
def test_a_trial_that_does_worse_than_others_did_ends_early(pruner, options, call, capsys):
    arguments = (*LONG, "data.batch_size=16,32,64", "search.sampler=grid", f"search.pruner={pruner}", *options)
    assert call("train", *arguments, "name=hunt") == 0
    pruned = [t for t in trials() if t.state == TrialState.PRUNED]
    assert 0 < len(pruned) < 6
    assert "1e-06" in {t.params["optimizer.lr"] for t in pruned}
    assert study().best_trial not in pruned
    saved = 0
    for trial in trials():
        ended = results(trial)
        assert ended["status"] == ("pruned" if trial in pruned else "finished")
        assert len(trial.intermediate_values) == ended["epochs"] == max(trial.intermediate_values) + 1
        assert min(trial.intermediate_values.values()) == pytest.approx(ended["val/loss"])  # the best epoch is scored
        assert ("test/loss" in ended) == (trial not in pruned)
        saved += 9 - ended["epochs"]
    assert saved > 0
    said = capsys.readouterr().out
    assert f"{len(pruned)} of 6 trials were pruned: {54 - saved} epochs trained, {saved} saved." in said
    assert f"pruned in epoch {results(pruned[0])['epochs'] - 1}" in said
    run = str(HUNT / pruned[0].user_attrs["job"])
    assert call("evaluate", run) == 0  # its best epoch is there, as that of any run
    assert call("repeat", run) == 1
    assert "was pruned by its search" in capsys.readouterr().err


def test_a_run_of_a_search_is_a_run_like_any_other_outside_of_it(train):
    """Where no study has asked for it, nothing is reported, and nothing pruned."""
    results = train("search=optuna", "search.pruner=median", *LONG[2:-2], "trainer.max_epochs=2", "name=alone")
    assert results["status"] == "finished"


# --- killed -----------------------------------------------------------------------------------------------------------


def moments(folder: Path) -> dict[str, int]:
    """When results.json of each run that is done was written."""
    files = folder.glob("*/results.json")
    return {file.parent.name: file.stat().st_mtime_ns for file in files if "failed" not in file.read_text()}


def scores(folder: Path) -> dict[str, Any]:
    """What came out of each run, to the last digit."""
    read = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/results.json")}
    return {n: {k: v for k, v in r.items() if "/" in k or k in ("status", "epochs")} for n, r in read.items()}


@pytest.mark.parametrize(
    ("kills", "count", "sampler", "pruner"),
    [
        (3, 5, "tpe", "halving"),
        pytest.param(4, 10, "tpe", "hyperband", marks=pytest.mark.slow),
        pytest.param(4, 8, "cmaes", "median", marks=pytest.mark.slow),
    ],
)
def test_a_search_that_is_killed_ends_as_if_it_had_never_been(kills, count, sampler, pruner, call, forked):
    arguments = (
        *("-m", "search=optuna", "data=wine", "net.hidden=[4]", "trainer.max_epochs=5", f"search.n_trials={count}"),
        *(f"search.sampler={sampler}", f"search.pruner={pruner}", "+search.sampler_options.n_startup_trials=3"),
        *("optimizer.lr=tag(log,interval(1e-5,1e-1))", "data.batch_size=range(16,65,16)"),
        *("callbacks.last.every_seconds=0", "optimizer.weight_decay=interval(0,0.5)"),
    )
    started = time.monotonic()
    assert call("train", *arguments, "name=whole/hunt") == 0  # the same name of a study: it decides on brackets
    chance, seconds = random.Random(count), (time.monotonic() - started) / count
    whole, cut = Path("outputs/whole/hunt"), Path("outputs/cut/hunt")
    killed_often(
        start=lambda: forked("train", *arguments, "name=cut/hunt"),
        done=lambda: moments(cut),
        kills=kills,
        waits=lambda kill: kill % 3 > 0,
        seconds=lambda: chance.uniform(0, 1.6) * seconds,
    )
    assert plain(cut) == plain(whole)
    assert scores(cut) == scores(whole)
    assert TrialState.PRUNED in {trial.state for trial in trials(cut)}


# --- a database that several processes share --------------------------------------------------------------------------


def test_a_study_may_be_in_a_database(call, capsys):
    arguments = (*SEARCH, RATE, "name=hunt", "search.storage=sqlite:///study.db")
    assert call("train", *arguments, "search.n_trials=1") == 0
    assert call("train", *arguments, "search.n_trials=2") == 0
    assert "1 of 2 trials done\n" in capsys.readouterr().out
    assert [t.state for t in trials(url="sqlite:///study.db")] == [TrialState.COMPLETE] * 2
    assert not (HUNT / "study.journal").exists()


def test_a_database_that_does_not_answer_is_named_without_its_password(call, capsys):
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/none"
    assert call("train", *SEARCH, RATE, "name=hunt", f"search.storage='{url}'") == 1
    said = capsys.readouterr().err
    assert "search.storage=postgresql+psycopg://me:***@127.0.0.1:1/none: connection failed" in said
    assert "Once it answers, the same command goes on." in said
    assert "secret" not in said
    assert not HUNT.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["name=hunt", "search.storage=nonsense"], "search.storage: this is no URL of a database, such as sqlite:///"),
        (
            ["search.storage=sqlite:///study.db"],
            "search.storage= needs a name=, by which other processes find the same",
        ),
    ],
)
def test_a_database_that_cannot_be_is_refused(call, capsys, arguments, says):
    assert call("train", *SEARCH, RATE, *arguments) == 1
    assert says in capsys.readouterr().err
    assert not list(Path("outputs").glob("*"))


def test_two_searches_in_one_folder_need_a_database(forked, call, capsys):
    arguments = (*SEARCH[:-1], "trainer.max_epochs=1000", "callbacks.early_stopping=null", RATE, "name=hunt")
    process = forked("train", *arguments)
    while not list(HUNT.glob("*/checkpoints/last.ckpt")):
        assert os.waitpid(process, os.WNOHANG)[0] == 0, Path("said.txt").read_text()
        time.sleep(0.01)
    assert call("train", *arguments) == 1
    assert f"{HUNT} is being filled by another sweep. Choose another name=." in capsys.readouterr().err
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin")) + [
    Path(found).resolve().parent for found in filter(None, [shutil.which("initdb")])
]


@pytest.fixture
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL of the test's own, on this machine; it does not run as root."""
    if not PROGRAMS:
        pytest.skip("PostgreSQL is not installed: apt install postgresql")
    folder = Path(tempfile.mkdtemp())
    is_root = os.getuid() == 0
    if is_root:
        shutil.chown(folder, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(program: str, *arguments: str) -> None:
        command = [str(PROGRAMS[-1] / program), "-D", str(folder / "data"), *arguments]
        as_other = ["su", "postgres", "-c", shlex.join(command)] if is_root else command
        subprocess.run(as_other, check=True, cwd=folder, stdout=subprocess.DEVNULL)

    run("initdb", "-A", "trust", "-U", "postgres", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    run("pg_ctl", "-o", options, "-w", "-l", str(folder / "log"), "start")
    try:
        yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.mark.slow
def test_four_processes_share_a_search_and_one_is_killed(postgres, forked, call, capsys, monkeypatch):
    """No trial is lost, none is run twice, and there are as many as were asked for."""
    begun = Path("begun.txt").absolute()
    build = Training.trainer

    def trainer(self: Training) -> Any:
        with begun.open("a") as file:
            file.write(f"{os.getpid()} {self.run.folder.name}\n")
        return build(self)

    monkeypatch.setattr(Training, "trainer", trainer)
    arguments = (
        *("-m", "search=optuna", "data=wine", "net.hidden=[4]", "trainer.max_epochs=4", "search.n_trials=12"),
        *(f"search.storage='{postgres}'", "search.silence=3", "search.pruner=median", RATE, "name=hunt"),
        "callbacks.last.every_seconds=0",
    )
    processes = [forked("train", *arguments) for _ in range(4)]
    chance, killed = random.Random(0), processes[0]
    while sum(line.startswith(f"{killed} ") for line in _lines(begun)) < 2:
        assert os.waitpid(killed, os.WNOHANG)[0] == 0, Path("said.txt").read_text()
        time.sleep(chance.uniform(0, 0.05))
    os.kill(killed, signal.SIGKILL)
    codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]
    assert codes == [-signal.SIGKILL, 0, 0, 0], Path("said.txt").read_text()
    found = trials(url=postgres)
    assert len(found) == 12
    assert {t.state for t in found} <= {TrialState.COMPLETE, TrialState.PRUNED}
    names = [line.partition(" ")[2] for line in _lines(begun)]
    jobs = {t.user_attrs["job"] for t in found}
    assert set(names) == jobs
    last = [line.partition(" ")[2] for line in _lines(begun) if line.startswith(f"{killed} ")][-1]
    assert [name for name in jobs if names.count(name) > 1] in ([last], [])
    assert names.count(last) <= 2  # what the killed one was at goes on elsewhere
    for trial in found:
        if trial.state == TrialState.COMPLETE:
            assert trial.value == results(trial)["val/loss"]
    assert "Waiting for trials of other processes." in Path("said.txt").read_text()
    capsys.readouterr()
    assert call("train", *arguments) == 0
    assert capsys.readouterr().out.startswith("12 of 12 trials done\n")


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "number"),
    [
        ("src.training.training.scored", 3),  # a run has ended, and is not scored: of the third trial, which is pruned
        ("src.callbacks.last.LastCheckpoint._save", 24),  # an epoch's score is reported, and its state not saved
        ("src.sweeps.study.Study.tell", 3),  # a run is scored, and its trial not told of
        ("src.files.study.JournalFileBackend.append_logs", 9),
    ],
)
def test_wherever_a_search_is_killed_what_it_was_at_is_judged_as_before(place, number, call, forked, finished_runs):
    arguments = (*LONG, "data.batch_size=16,32,64", "search.sampler=grid", "search.pruner=halving")
    arguments += ("+search.pruner_options.reduction_factor=2", "callbacks.last.every_seconds=0")
    if not (whole := finished_runs / "halving").exists():
        assert call("train", *arguments, "name=whole/hunt") == 0
        shutil.copytree("outputs/whole", whole)

    def kill_there() -> None:
        module, _, name = place.rpartition(".")
        of = pkgutil.resolve_name(module)
        whole, calls = getattr(of, name), count(1)

        def killed(*args: Any, **options: Any) -> Any:
            if next(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return whole(*args, **options)

        setattr(of, name, killed)

    _, status = os.waitpid(forked("train", *arguments, "name=cut/hunt", before=kill_there), 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, Path("said.txt").read_text()
    assert call("train", *arguments, "name=cut/hunt") == 0
    assert plain(Path("outputs/cut/hunt")) == plain(whole / "hunt")
    assert scores(Path("outputs/cut/hunt")) == scores(whole / "hunt")
    assert TrialState.PRUNED in {trial.state for trial in trials(Path("outputs/cut/hunt"))}


@pytest.mark.slow
def test_processes_that_ask_at_once_get_a_trial_each_and_no_more_than_there_are(postgres):
    def ask() -> None:
        study = Study(HUNT, postgres, silence=60, total=60)
        study.open({}, lambda: ["min"], retries=False)
        sampler = Sampler(compose("search=optuna", "search.sampler=random").search, space("a=interval(0,1)"), 1)
        while (trial := study.next(sampler, str)) is not None:
            study.tell(trial.number, TrialState.COMPLETE, [0.0])

    processes = [multiprocessing.get_context("fork").Process(target=ask) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert [t.number for t in trials(url=postgres)] == list(range(60))
    assert len({t.params["a"] for t in trials(url=postgres)}) == 60


@pytest.mark.slow
def test_trials_may_run_in_processes_of_their_own_and_are_pruned_there(call, capsys):
    arguments = (*LONG, "data.batch_size=16,32,64", "search.sampler=random", "search.pruner=halving", "name=hunt")
    arguments += ("search.n_trials=8", "+search.pruner_options.reduction_factor=2")
    assert call("train", *arguments, "launcher=local", "launcher.n_jobs=2") == 0
    found = trials()
    assert len(found) == 8
    assert {t.state for t in found} == {TrialState.COMPLETE, TrialState.PRUNED}
    for name in {t.user_attrs["job"] for t in found}:
        assert len({(t.state, t.value) for t in found if t.user_attrs["job"] == name}) == 1
    assert "trials were pruned" in capsys.readouterr().out
