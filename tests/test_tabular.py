"""net=tabular, calibrated probabilities, and which columns matter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torchmetrics.functional.classification import multiclass_auroc

from src.datasets.loading import Loading
from src.datasets.tables.codes import code_columns
from src.datasets.tables.columns.column import Column
from src.datasets.tables.relevance import relevance
from src.learning.calibration import calibration_error, fitted_temperature, thinned
from src.learning.importance import permutation_importances
from src.learning.loss import loss_of_members
from src.learning.subsample import Subsample
from src.nets import Tabular
from src.run import Run
from src.tasks import Classification, MultiLabel
from tests.sources import description

OPTIONS: dict[str, Any] = {
    "members": 3,
    "hidden": [16],
    "activation": "ReLU",
    "dropout": 0.0,
    "bins": 8,
    "embedding": 4,
}
COLUMNS = [
    {"name": "size", "kind": "number", "features": 1},
    {"name": "town", "kind": "category", "features": 3},
    {"name": "day", "kind": "date", "features": 5},
]


def tabular(size: int, output_size: int = 1, **options: Any) -> Tabular:
    torch.manual_seed(0)
    parameters: dict[str, Any] = {"columns": None, **OPTIONS, **options}
    return Tabular((size,), output_size, **parameters)


@pytest.fixture
def steps() -> list[str]:
    """A target that jumps where unevenly spread numbers pass thresholds."""
    rng = np.random.default_rng(0)
    x = np.exp(1.5 * rng.normal(size=(600, 3))).round(4)
    y = (x[:, 0] > 1) * 3 + (x[:, 1] > 2) * 2 + 0.1 * rng.normal(size=len(x))
    frame = pd.DataFrame(x, columns=["a", "b", "useless"]).assign(town=np.where(x[:, 0] > 2, "Oslo", "Bergen"), y=y)
    frame.to_csv("steps.csv", index=False)
    return ["data=table", "data.path=steps.csv", "data.target=y", "trainer=cpu"]


# --- the net ------------------------------------------------------------------------------------------------------


def test_a_table_is_learnt_by_the_net_for_tables_which_finds_thresholds_that_a_perceptron_does_not(train, steps):
    ours = train(*steps)
    assert Run(ours["run"]).config().net._target_ == "src.nets.Tabular"
    assert ours["test/r2"] > train(*steps, "net=mlp")["test/r2"] + 0.01
    assert ours["test/r2"] > 0.97


def test_the_members_learn_each_for_itself_and_answer_with_their_mean():
    net = tabular(5, output_size=2)
    x = torch.randn(7, 5)
    each, mean = net(x), net.eval()(x)
    assert each.shape == (7, 3, 2)
    assert torch.allclose(each.mean(dim=1), mean)
    assert not torch.allclose(each[:, 0], each[:, 1])
    target = torch.randint(0, 2, (7,))
    loss, outputs = loss_of_members(nn.functional.cross_entropy, each, target, (2,))
    alone = [nn.functional.cross_entropy(each[:, k], target) for k in range(3)]
    assert torch.allclose(loss, torch.stack(alone).mean())
    assert torch.equal(outputs, each.mean(dim=1))


def test_numbers_and_dates_are_embedded_and_categories_are_not():
    net = tabular(9, columns=COLUMNS)
    assert net.numbers.tolist() == [0, 4, 5, 6, 7, 8]
    assert tabular(9).numbers.tolist() == list(range(9))
    assert not tabular(3, columns=COLUMNS[1:2]).embeds
    lacking = [{"name": "size", "kind": "number", "features": 2, "indicator": True}, *COLUMNS[1:2]]
    assert tabular(5, columns=lacking).numbers.tolist() == [0]
    assert not tabular(9, bins=0).embeds


def test_inputs_are_scaled_by_what_the_training_examples_say_and_outliers_come_near_three():
    net = tabular(2)
    x = torch.stack([torch.linspace(100, 200, 101), torch.arange(101) % 5 == 0], dim=1)
    net.learn_inputs(x)
    z = net.scaled(torch.tensor([[150.0, 0.0], [200.0, 1.0], [1e9, 0.0]]))
    assert z[0].tolist() == [0, 0]
    assert z[1, 0].item() == pytest.approx(1 / (1 + 1 / 9) ** 0.5)
    assert z[2, 0].item() == pytest.approx(3)
    places = (z[:, :1].unsqueeze(2) - net.left[:1]) * net.slope[:1]
    assert places.clamp(0, 1).sum(dim=2).flatten().tolist() == pytest.approx([4, 8, 8], abs=1e-4)  # of 8 bins


def test_a_number_that_has_one_value_in_training_harms_nothing():
    net = tabular(2)
    net.learn_inputs(torch.tensor([[3.0, 1.0]] * 10))
    assert net.eval()(torch.tensor([[3.0, 1.0], [4.0, -1e30]])).isfinite().all()


def test_very_many_columns_have_fewer_bins_or_none():
    assert tabular(5000).left.shape == (5000, 3)
    assert not tabular(20_000).embeds


def test_a_category_that_no_training_row_has_is_answered(train, call, steps):
    run = train(*steps, "trainer.max_epochs=1")["run"]
    pd.DataFrame({"a": [1.0], "b": [1.0], "useless": [1.0], "town": ["Paris"]}).to_csv("new.csv", index=False)
    assert call("predict", str(run), "new.csv", "-o", "p.csv") == 0
    assert pd.read_csv("p.csv")["predicted_y"].notna().all()


def test_the_net_for_tables_reads_arrays_and_is_exported(train, call):
    run = train("data=wine", "net=tabular", "net.hidden=[8]", "trainer.max_epochs=1", "trainer=cpu")["run"]
    for name in ("pt2", "onnx"):
        assert call("export", str(run), f"format={name}") == 0  # compares the predictions


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("net.members=0", "net.members=0: at least 1 is needed."),
        ("net.hidden=[]", "net.hidden=[]: at least one layer is needed, of at least 1 unit."),
        ("net.bins=-1", "net.bins=-1 and net.embedding=4: at least 0; with 0 numbers are not embedded."),
    ],
)
def test_a_wrong_choice_is_a_line(call, capsys, choice, said):
    assert call("train", "data=wine", "net=tabular", choice) == 1
    assert said in capsys.readouterr().err
    assert not any(Path("outputs").glob("*"))


@pytest.mark.parametrize(("count", "size"), [(50, 10), (70_000, 10), (1000, 100_000)])
def test_quantiles_are_learnt_from_examples_all_over_the_training_split(count, size):
    some = Subsample(count)
    for rows in torch.arange(count).split(999):
        some.add(rows.float().unsqueeze(1).expand(-1, size))
    taken = some.all()[:, 0]
    assert taken.numel() * size <= 2**24
    assert len(taken) <= 2**16
    assert taken.diff().unique().numel() == 1
    assert count - taken[-1] <= 2 * taken.diff()[0]


@pytest.mark.parametrize(
    ("examples", "size"), [(0, 1), (20, 20), (70, 32), (2800, 64), (7000, 128), (70_000, 1024), (700_000, 1024)]
)
def test_the_batches_of_a_table_grow_with_it(examples, size):
    loading = Loading("auto", True, False, None, None, None, None)
    assert loading.sized_for(examples).batch_size == size
    assert Loading(7, True, False, None, None, None, None).sized_for(examples).batch_size == 7


# --- numbers that stand for something -------------------------------------------------------------------------------


def shops(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """A shop (60 of them), an age and a size (N, 3), and what the shop, the age and chance make of them (N,)."""
    rng = np.random.default_rng(0)
    x = np.stack([rng.integers(100, 160, rows), rng.integers(18, 90, rows), rng.normal(size=rows)], axis=1)
    of_shop = rng.normal(size=60)
    return x, of_shop[x[:, 0].astype(int) - 100] + np.sin(x[:, 1] / 15) + 0.3 * rng.normal(size=rows)


SHOPS = [Column(name, "number") for name in ("shop", "age", "size")]


def test_the_target_jumps_from_shop_to_shop_but_not_from_age_to_age():
    x, y = shops(800)
    holey = x.copy()
    holey[::9, 0] = np.nan
    assert code_columns(SHOPS, x, y[:, None], is_class=False) == {"shop": 60}
    assert code_columns(SHOPS, holey, y[:, None], is_class=False) == {"shop": 61}
    assert code_columns(SHOPS, x, np.digitize(y, [-1, 0, 1]), is_class=True) == {"shop": 60}
    assert code_columns(SHOPS, x / [8, 1, 1], y[:, None], is_class=False) == {}  # no whole numbers
    assert code_columns(SHOPS, x[:200], y[:200, None], is_class=False) == {}  # too few of each
    assert code_columns(SHOPS, x, y[::-1, None], is_class=False) == {}


def test_a_code_tells_what_each_of_its_numbers_does():
    x, y = shops(800)
    alone, neighbours = (relevance(SHOPS, x, y[:, None], None, codes)[0, 0] for codes in (["shop"], []))
    assert alone > 0.4 > 2 * neighbours


@pytest.mark.filterwarnings("error")
def test_a_target_that_follows_from_a_code_alone_or_never_changes_is_no_mistake():
    x, _ = shops(800)
    assert code_columns(SHOPS, x, x[:, :1] % 7, is_class=False) == {"shop": 60}
    assert code_columns(SHOPS, x, np.ones((800, 1)), is_class=False) == {}


def test_each_code_has_weights_of_its_own_and_what_lies_between_two_is_between_theirs():
    columns = [dict(COLUMNS[1]), {"name": "shop", "kind": "number", "features": 2, "codes": 5}]
    net = tabular(5, columns=columns).eval()
    x = torch.zeros(400, 5)
    x[:, 3] = torch.tensor([2.0, 3, 5, 700]).repeat(100)  # fewer than there is room for
    net.learn_inputs(x)
    assert net.codes is not None
    assert not net.codes(net.scaled(x)).any()  # at first they say nothing
    torch.nn.init.normal_(net.codes.weights.weight)
    own = net.codes.weights.weight.T
    assert torch.allclose(net.codes(net.scaled(x[:4])), own[:4], atol=1e-4)
    between = torch.zeros(3, 5)
    between[:, 3] = torch.tensor([2.5, -9.0, 9e4])
    codes = net.codes(net.scaled(between))
    assert ((codes[0] - own[0]) * (codes[0] - own[1]) <= 0).all()
    assert torch.equal(codes[1], own[0])
    assert torch.allclose(codes[2], own[3], atol=1e-4)
    net.learn_inputs(torch.arange(40.0).repeat(5, 1).T)  # more than there is room for
    assert net.codes(net.scaled(between)).isfinite().all()
    before = [{name: value for name, value in c.items() if name != "codes"} for c in columns]  # of a run that knew none
    assert tabular(5, columns=before).codes is tabular(5).codes is None


def test_the_net_for_tables_learns_what_each_shop_is_like_and_answers_export_and_explanation_with_it(
    train, call, capsys
):
    x, y = shops(700)
    frame = pd.DataFrame(x, columns=["shop", "age", "size"]).assign(y=y)
    frame.to_csv("shops.csv", index=False)
    frame[:10].to_csv("new.csv", index=False)
    assert call("train", "data=table", "data.path=shops.csv", "data.target=y", "data.describe=true") == 0
    told = [line.split()[0] for line in capsys.readouterr().out.splitlines() if "stand for something" in line]
    assert told == ["shop"]
    options = ["data=table", "data.path=shops.csv", "data.target=y", "trainer=cpu", "net.hidden=[32]"]
    ours = train(*options)
    assert ours["test/r2"] > 0.75  # 0.34 without them
    assert call("export", str(ours["run"]), "format=onnx") == 0  # compares the predictions
    assert call("predict", str(ours["run"]), "new.csv", "-o", "p.csv", "explain=true") == 0
    found = pd.read_csv("p.csv")
    effects = found.filter(like="effect_")
    moved = found["predicted_y"] - found["baseline_prediction"]
    assert np.allclose(effects.sum(axis=1), moved, atol=1e-2)
    assert effects["effect_shop"].abs().mean() > 5 * effects["effect_size"].abs().mean()


# --- calibrated probabilities ---------------------------------------------------------------------------------------


def exaggerated(size: int, factor: float) -> tuple[Tensor, Tensor]:
    """Outputs (N, 3) that are `factor` times as sure as the classes (N,) drawn by them."""
    torch.manual_seed(1)
    outputs = torch.randn(size, 3)
    return factor * outputs, outputs.softmax(dim=1).multinomial(1).squeeze(1)


@pytest.mark.parametrize("factor", [0.5, 1.0, 4.0])
def test_the_temperature_is_that_by_which_a_net_is_too_sure(factor):
    task = Classification(description(classes=["a", "b", "c"]))
    outputs, truth = exaggerated(20_000, factor)
    temperature = fitted_temperature(task, outputs, truth)
    assert temperature == pytest.approx(factor, rel=0.03)
    before = calibration_error(task.predictions(outputs), truth)
    task.temperature.fill_(temperature)
    after = calibration_error(task.predictions(outputs), truth)
    assert after < 0.02
    assert after < before / 3 or factor == 1


def test_few_examples_that_are_all_right_do_not_make_a_net_sure():
    task = Classification(description(classes=["a", "b", "c"]))
    truth = torch.arange(12) % 3
    assert fitted_temperature(task, 3 * nn.functional.one_hot(truth).float(), truth) > 0.3


def test_labels_are_calibrated_too():
    task = MultiLabel(description(target_shape=(2,), targets=["a", "b"]), threshold=0.5)
    torch.manual_seed(0)
    outputs = torch.randn(5000, 2)
    labels = torch.bernoulli(outputs.sigmoid())
    assert fitted_temperature(task, 3 * outputs, labels) == pytest.approx(3, rel=0.1)


def test_of_very_many_examples_every_nth_calibrates(monkeypatch):
    outputs, y = torch.randn(1000, 3), torch.arange(1000)
    batches = [*zip(outputs.split(37), y.split(37), strict=True)]
    for whole, kept in zip(batches, thinned(batches), strict=True):
        assert all(map(torch.equal, whole, kept))
    monkeypatch.setattr("src.learning.calibration.EXAMPLES", 150)
    some = thinned(batches)
    assert torch.equal(torch.cat([y for _, y in some]), y[::7])
    assert torch.equal(torch.cat([o for o, _ in some]), outputs[::7])
    assert sum(part.untyped_storage().nbytes() for batch in some for part in batch) == 143 * (12 + 8)
    monkeypatch.setattr("src.learning.calibration.MOST", 300)
    assert torch.equal(torch.cat([y for _, y in thinned(batches)]), y[::10])


def test_a_run_is_calibrated_once_it_is_trained_and_nothing_else_changes(train, call, capsys):
    overrides = ["data=breast_cancer", "net.hidden=[64]", "trainer.max_epochs=8", "trainer=cpu"]
    plain, ours = train(*overrides, "calibrate=false", "name=plain"), train(*overrides, "name=ours")
    assert {name: ours[name] for name in plain if "/" in name} == {name: plain[name] for name in plain if "/" in name}
    assert "temperature" not in plain
    assert ours["ece"] != ours["ece_uncalibrated"]
    modules = {name: Run(f"outputs/{name}").load() for name in ("plain", "ours")}
    x = torch.randn(4, 30) * 100
    logits = {name: torch.logit(module(x)[:, 1].double()) for name, module in modules.items()}
    assert torch.allclose(logits["plain"] / ours["temperature"], logits["ours"], atol=1e-3)
    assert call("evaluate", "outputs/ours", "--resamples", "0") == 0  # its best.ckpt is the one that was tested


def test_what_is_scored_on_val_are_the_calibrated_probabilities(train):
    results = train("data=wine", "net.hidden=[8]", "trainer.max_epochs=2", "trainer=cpu", "data.batch_size=4")
    run = Run(results["run"])
    data, module = run.data(), run.load()
    data.setup("validate")
    x, y = (torch.cat(parts) for parts in zip(*data.loader("val"), strict=True))
    probabilities = module(x)
    assert results["val/auroc"] == pytest.approx(multiclass_auroc(probabilities, y, 3).item())
    assert results["ece"] == pytest.approx(calibration_error(probabilities, y))


def test_a_checkpoint_from_before_there_was_a_temperature_predicts_as_ever(train):
    run = Run(train("data=wine", "trainer.max_epochs=1", "net.hidden=[8]", "trainer=cpu", "calibrate=false")["run"])
    checkpoint = torch.load(run.best, weights_only=True)
    x, before = torch.randn(3, 13), run.load()
    del checkpoint["state_dict"]["task.temperature"]
    torch.save(checkpoint, run.best)
    results = json.loads(run.results_file.read_text())
    del results["checkpoint"]
    run.results_file.write_text(json.dumps(results))
    assert torch.equal(Run(run.folder).load()(x), before(x))


# --- which columns matter -------------------------------------------------------------------------------------------


def test_the_columns_that_the_target_follows_from_matter_and_others_do_not():
    torch.manual_seed(0)
    x = torch.randn(900, 9)
    columns = [dict(c, name=f"c{j}") for j, c in enumerate(COLUMNS)]
    y = (2 * x[:, :1] + x[:, 1:4].sum(dim=1, keepdim=True)).detach()
    found = permutation_importances(
        lambda x, y: ((2 * x[:, :1] + x[:, 1:4].sum(1, keepdim=True) - y) ** 2).mean(), x, y, columns
    )
    rises = {name: rise for name, (rise, _) in found.items()}
    assert rises["c0"] == pytest.approx(2 * 4, rel=0.2)  # twice the variance that it brings
    assert rises["c1"] == pytest.approx(2 * 3, rel=0.2)
    assert found["c2"] == (0, 0)
    assert all(0 < width < rises[name] for name, (_, width) in found.items() if name != "c2")


def test_of_very_many_columns_those_are_measured_that_the_loss_is_sensitive_to():
    torch.manual_seed(0)
    x = torch.randn(50, 400)
    columns = [{"name": f"c{j}", "kind": "number", "features": 1} for j in range(400)]
    with torch.inference_mode():
        found = permutation_importances(lambda x, y: ((x[:, 7] - y) ** 2).mean(), x, x[:, 7] + 0.1, columns)
    assert len(found) == 30
    assert max(found, key=lambda name: found[name][0]) == "c7"


@pytest.mark.usefixtures("real_pictures")
def test_a_run_on_a_table_draws_them_but_the_jobs_of_a_sweep_do_not(train, call, steps, monkeypatch):
    from src.plots.importance import Importance

    drawn = []
    draw = Importance.draw
    monkeypatch.setattr(Importance, "draw", lambda *args: drawn.append(draw(*args)) or drawn[-1])
    run = train(*steps, "trainer.max_epochs=12")["run"]
    assert (run / "plots/importance.png").stat().st_size > 5000
    [axes] = drawn[0].axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[-1] == "a"  # the longest bar is on top
    assert names.index("useless") < names.index("b")
    assert call("train", "-m", *steps, "trainer.max_epochs=1", "seed=1") == 0
    train("data=digits", "trainer.max_epochs=1", "net.hidden=[4]", "trainer=cpu")  # pixels are no columns
    train(*steps, "trainer.max_epochs=1", "importance=false")
    assert len(drawn) == 1


# --- how good it is -------------------------------------------------------------------------------------------------


def test_the_benchmark_of_tables_scores_every_method_on_the_same_rows(monkeypatch):
    from benchmarks import tables

    methods = {name: tables.METHODS[name] for name in ("skmlp", "trees")}
    short = ("trainer.max_epochs=1", "net.hidden=[8]")
    methods |= {"mlp": tables.kindling(*tables.MLP, *short), "tabular": tables.kindling("net=tabular", *short)}
    monkeypatch.setattr(tables, "METHODS", methods)
    monkeypatch.setattr(tables, "SPLITS", {100: 1})
    x = np.random.default_rng(0).normal(size=(60, 2))
    table = pd.DataFrame(x, columns=["a", "b"]).assign(
        town=["Oslo", "Bergen"] * 30, y=np.where(x[:, 0] > 0, "k1", "k0")
    )
    for scores in (tables.measured(table), tables.measured(table.assign(y=x[:, 0] * 3))):
        assert all(-1 <= of[kind] <= 1 for of in scores.values() for kind in tables.kinds(scores["trees"]))
        assert tables.line(scores).count("|") == 7
