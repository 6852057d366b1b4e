"""The module: standardization, losses, metrics, optimizers and schedulers."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch import nn

from src.files.history import history_of, read_history
from src.learning.epoch_metrics import EpochMetrics
from src.nets import MLP
from src.nets.standardize import Standardize
from src.run import Run
from src.tasks import Classification, Regression, Task
from src.tasks.metrics import R2
from tests.sources import description

WINE = ("data=wine", "net.hidden=[8]", "trainer.max_epochs=4")


@pytest.mark.quick
@pytest.mark.parametrize(("shape", "axes"), [((5,), 0), ((3, 8, 8), (0, 2, 3)), ((7, 5), (0, 1))])
def test_standardize_learns_mean_and_deviation_in_batches(shape, axes):
    x = 3 * torch.randn(100, *shape, generator=torch.Generator().manual_seed(0)) + 1000
    scale = Standardize(shape)
    for batch in x.split(16):
        scale.learn(batch)
    np.testing.assert_allclose(scale.mean.flatten(), x.double().mean(axes), rtol=1e-6)
    np.testing.assert_allclose(scale.std.flatten(), x.double().numpy().std(axes), rtol=1e-5)
    assert torch.allclose(scale.inverse(scale(x)), x, rtol=1e-5)


def test_standardize_leaves_a_constant_finite():
    scale = Standardize((2,))
    scale.learn(torch.tensor([[1.0, 0.1], [2.0, 0.1], [3.0, 0.1]]))
    assert scale.std[1] == 1
    assert scale(torch.tensor([[2.0, 0.1]])).abs().max() < 1e-6


def test_standardization_is_learnt_from_the_training_split_only(train):
    train("data=wine", "name=w", "trainer.max_epochs=1")
    module, data = Run("outputs/w").load(), Run("outputs/w").data()
    x, _ = data.splits["train"].__getitems__(list(range(len(data.splits["train"]))))
    np.testing.assert_allclose(module.input_scale.mean, x.mean(0), rtol=1e-5)
    everything: Any = data.splits["train"].dataset
    assert not np.allclose(module.input_scale.mean, everything.x.mean(0), rtol=1e-5)


def test_without_standardization_net_and_loss_see_the_numbers_as_they_are(train):
    train("data=diabetes", "net=linear", "standardize=false", "name=raw", "trainer.max_epochs=1")
    module: Any = Run("outputs/raw").load()
    for scale in (module.input_scale, module.task.target_scale):
        assert (scale.mean == 0).all()
        assert (scale.std == 1).all()


def classification(classes: int) -> Task:
    return Classification(description(classes=list(map(str, range(classes)))))


def _metrics(task: Task, predictions: torch.Tensor, truth: torch.Tensor) -> dict[str, float]:
    metrics = EpochMetrics("val", task.metrics(), task)
    outputs = predictions if isinstance(task, Regression) else predictions.log()
    if task.output_size == 1 and not isinstance(task, Regression):
        outputs = predictions[:, 1:].logit()
    for o, t in zip(outputs.split(3), truth.split(3), strict=True):  # more batches than wait at once
        metrics.update(torch.tensor(float(len(t))), o, t)
    return {name.removeprefix("val/"): value.item() for name, value in metrics.compute().items()}


@pytest.mark.quick
@pytest.mark.parametrize(("mean", "unit", "near"), [(0, 1, 1e-5), (1e4, 1, 1e-4), (0, 1e-5, 1e-5)])
def test_regression_metrics_equal_scikit_learns(mean, unit, near):
    generator = torch.Generator().manual_seed(0)
    y = mean + unit * torch.randn(301, 2, generator=generator)
    predictions = y + unit * torch.randn(301, 2, generator=generator)
    ours = _metrics(Regression(description((2,))), predictions, y)
    assert ours["r2"] == pytest.approx(metrics.r2_score(y.double(), predictions.double()), abs=near)
    assert ours["mse"] == pytest.approx(metrics.mean_squared_error(y, predictions), rel=1e-5)
    assert ours["mae"] == pytest.approx(metrics.mean_absolute_error(y, predictions), rel=1e-5)
    assert ours["rmse"] == pytest.approx(ours["mse"] ** 0.5, rel=1e-5)
    assert ours["loss"] == pytest.approx((300 * 3 + 1) / 301)  # weighted by the batches' sizes


@pytest.mark.quick
@pytest.mark.parametrize("classes", [2, 4])
def test_class_metrics_equal_scikit_learns(classes):
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(0, classes, (301,), generator=generator)
    scores = torch.randn(301, classes, generator=generator) + nn.functional.one_hot(y, classes)
    predictions = scores.softmax(dim=1)
    ours, labels = _metrics(classification(classes), predictions, y), predictions.argmax(dim=1)
    area = metrics.roc_auc_score(y, predictions[:, 1] if classes == 2 else predictions, multi_class="ovr")
    assert ours["accuracy"] == pytest.approx(metrics.accuracy_score(y, labels))
    assert ours["f1"] == pytest.approx(metrics.f1_score(y, labels, average="macro"), abs=1e-6)
    assert ours["auroc"] == pytest.approx(area, abs=1e-6)


def test_a_class_that_is_absent_does_not_count_against_the_auroc():
    predictions = torch.tensor([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]])
    assert _metrics(classification(3), predictions, torch.tensor([0, 1, 0]))["auroc"] == 1
    assert np.isnan(_metrics(classification(3), predictions, torch.tensor([0, 0, 0]))["auroc"])


def test_devices_have_one_r2_together():
    generator = torch.Generator().manual_seed(0)
    y = torch.linspace(0, 9, 60).reshape(-1, 2)  # each device has others
    predictions = y + torch.randn(y.shape, generator=generator)
    parts = [R2(2), R2(2)]
    for part, rows in zip(parts, (slice(20), slice(20, 30)), strict=True):
        part.update(predictions[rows], y[rows])
    for name in parts[0]._defaults:
        setattr(parts[0], name, torch.stack([getattr(part, name) for part in parts]))  # as torchmetrics gathers them
    assert parts[0].compute().item() == pytest.approx(metrics.r2_score(y, predictions), abs=1e-5)


def test_an_epoch_that_an_older_metric_has_begun_has_the_r2_of_its_rest():
    task = Regression(description())
    ours = EpochMetrics("train", task.metrics(), task)
    state = ours.counted_so_far()
    [name] = (name for name, module in ours.named_modules() if isinstance(module, R2))
    begun = {"sum_squared_error": 9.0, "sum_error": 3.0, "residual": 5.0, "total": 1}
    state["counted"][name] = {key: torch.tensor(value) for key, value in begun.items()} | {"_update_count": 1}
    ours.go_on_from(state, torch.device("cpu"))
    ours.update(torch.tensor(0.0), torch.tensor([[1.0], [2.0], [2.5]]), torch.tensor([[1.0], [2.0], [3.0]]))
    assert ours.compute()["train/r2"].item() == pytest.approx(1 - 0.25 / 2)


def test_a_value_that_never_varies_has_no_r2():
    predictions, y = (
        torch.tensor([[1.0, 0.3], [2.0, 0.1], [2.5, 0.2]]),
        torch.tensor([[1.0, 0.1], [2.0, 0.1], [3, 0.1]]),
    )
    assert _metrics(Regression(description((2,))), predictions, y)["r2"] == pytest.approx(1 - 0.25 / 2)


def test_one_example_has_no_r2_but_the_other_scores():
    ours = _metrics(Regression(description()), torch.tensor([[1.0]]), torch.tensor([[3.0]]))
    assert np.isnan(ours["r2"])
    assert ours["mae"] == 2


@pytest.mark.quick
def test_losses_and_predictions():
    outputs, y = torch.tensor([[2.0], [-1.0]]), torch.tensor([1, 0])
    expected = -(torch.sigmoid(outputs[0]).log() + (1 - torch.sigmoid(outputs[1])).log()) / 2
    binary, regression = classification(2), Regression(description())
    assert binary.loss(outputs, y).item() == pytest.approx(expected.item())
    assert torch.allclose(binary.predictions(outputs)[:, 1:], outputs.sigmoid())
    assert regression.loss(outputs, outputs + 2).item() == pytest.approx(4)


def test_nan_is_seen_at_its_batch():
    task = Regression(description())
    metrics = EpochMetrics("train", task.metrics(), task)
    metrics.update(torch.tensor(1.0), torch.zeros(2, 1), torch.zeros(2, 1))
    with pytest.raises(FloatingPointError, match="train/loss is nan"):
        metrics.update(torch.tensor(float("nan")), torch.zeros(2, 1), torch.zeros(2, 1))


def test_nan_that_was_seen_later_is_told_by_its_batch():
    """As on a GPU, where a number is only asked for when many batches are counted."""
    task = Regression(description())
    metrics = EpochMetrics("train", task.metrics(), task)
    metrics.waiting = [(torch.tensor(loss), torch.zeros(2, 1), torch.zeros(2, 1)) for loss in (1.0, torch.inf, 2, 3)]
    with pytest.raises(FloatingPointError) as error:
        metrics.compute()
    assert error.value.args == ("train/loss is inf", 2)


def learning_rates(name: str) -> list[float]:
    return [row["lr"] for row in history(name)]


def test_schedulers_know_the_length_of_the_run(train):
    train(*WINE, "name=cosine", "scheduler=cosine")
    train(*WINE, "name=by_epoch", "scheduler=cosine", "scheduler.interval=epoch")
    train(*WINE, "name=one_cycle", "scheduler=one_cycle")
    train(*WINE, "name=rarely", "scheduler=cosine", "scheduler.frequency=2")
    assert learning_rates("cosine")[-1] == pytest.approx(0, abs=1e-9)
    assert learning_rates("rarely") == pytest.approx(learning_rates("cosine"))
    assert learning_rates("by_epoch") == pytest.approx(
        [0.004 * (1 + np.cos(np.pi * e / 4)) / 2 for e in range(1, 4)] + [0], abs=1e-4
    )
    rates = learning_rates("one_cycle")
    assert max(rates) > 0.003
    assert rates[-1] < 0.05 * max(rates)


def test_step_lowers_the_rate(train):
    train(*WINE, "name=step", "scheduler=step", "scheduler.step_size=2")
    assert learning_rates("step")[-1] == pytest.approx(0.004 * 0.1**2)


@pytest.mark.parametrize(
    ("overrides", "lowered"),
    [
        ([], [0, 1, 2, 3]),
        (["scheduler.patience=1"], [0, 0, 1, 1]),
        (["scheduler.frequency=2"], [0, 0, 0, 1]),
        (["trainer.check_val_every_n_epoch=2"], [0, 0, 0, 1]),
        (["trainer.check_val_every_n_epoch=2", "scheduler.monitor=train/loss"], [0, 1, 2, 3]),
    ],
    ids=["each", "patience", "frequency", "without validation", "a score of training"],
)
def test_plateau_lowers_the_rate_where_a_score_is_no_better(train, overrides, lowered):
    """With so small a rate none ever is, after the first."""
    settings = ["scheduler=plateau", "scheduler.patience=0", "optimizer.lr=1e-9"]
    train(*WINE, "name=plateau", "net.dropout=0.0", "+scheduler.eps=0.0", *settings, *overrides)
    assert learning_rates("plateau") == pytest.approx([1e-9 * 0.3**times for times in lowered], abs=1e-13)


def test_an_epoch_without_validation_has_no_validation_scores(train):
    train(*WINE, "name=w", "trainer.check_val_every_n_epoch=2")
    with Path("outputs/w/logs/metrics.csv").open() as file:
        assert [bool(row["val/loss"]) for row in csv.DictReader(file)] == [False, True, False, True]


def test_early_stopping_ends_a_run_that_learns_no_more(train):
    results = train("data=wine", "optimizer.lr=1e-12", "callbacks.early_stopping.patience=3", "trainer.max_epochs=20")
    assert results["epochs"] < 10


@pytest.mark.parametrize(
    "override", ["trainer.precision=64-true", "trainer.precision=bf16-mixed", "trainer.gradient_clip_val=0.1"]
)
def test_precision_and_clipping_are_one_override(train, override):
    assert train("data=wine", "trainer.max_epochs=3", override)["test/loss"] < 2


def test_values_without_an_axis_are_a_regression_too(train, monkeypatch):
    import src.datasets.synthetic as synthetic
    from src.datasets.memory import InMemory

    x = torch.linspace(-1, 1, 100).unsqueeze(1)
    monkeypatch.setattr(synthetic, "parabola", lambda **_: InMemory(x, 2 * x[:, 0]))
    assert train("data=parabola", "net=linear", "optimizer.lr=0.05")["test/r2"] > 0.9


def test_a_run_does_without_validation_and_without_most_callbacks(train):
    without = [f"callbacks.{name}=null" for name in ("progress", "summary", "early_stopping", "learning_curve")]
    results = train(*WINE, "trainer.limit_val_batches=0", "monitor=train/loss", *without)
    assert results["status"] == "finished"
    assert "test/loss" in results
    assert "val/loss" not in results


@pytest.mark.parametrize(
    ("overrides", "threads"),
    [([], 1), (["net.hidden=[2048,2048]"], 3), (["callbacks.threads.threads=2"], 2)],
    ids=["small", "large", "as told"],
)
def test_a_small_net_has_one_thread(train, monkeypatch, overrides, threads):
    monkeypatch.setattr("src.callbacks.threads.DEFAULT", 3)
    monkeypatch.setattr("src.callbacks.threads.cores", lambda: 4)
    before = torch.get_num_threads()
    try:
        train("data=wine", "trainer.max_epochs=1", *overrides)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_a_loss_of_ones_own_is_learnt_from(train):
    # Half of all y are 0, half are so large that their mean is not their median.
    settings = ["data=line", "net=linear", "data.slope=0", "data.noise=1", "standardize=false", "trainer.max_epochs=30"]
    train(*settings, "name=mse")
    train(*settings, "name=huber", "loss=huber", "loss.delta=0.1")
    weights = [Run(f"outputs/{name}").load().net.state_dict() for name in ("mse", "huber")]
    assert not torch.allclose(weights[0]["1.bias"], weights[1]["1.bias"])


def test_a_loss_may_weigh_the_classes(train):
    weight = "{_target_: torch.tensor, data: [1.0, 100.0, 1.0]}"
    results = train(*WINE, "+loss._target_=torch.nn.CrossEntropyLoss", f"+loss.weight={weight}", "name=w")
    loss: Any = Run("outputs/w", trust=True).load().loss
    assert loss.weight.tolist() == [1, 100, 1]
    assert results["status"] == "finished"


class Frozen(MLP):
    """Its dropout never works."""

    def __init__(self, input_shape: tuple[int, ...], output_size: int) -> None:
        super().__init__(input_shape, output_size, hidden=[8], activation="ReLU", dropout=0.9)
        self[3].eval()


@pytest.mark.filterwarnings("ignore:Found 1 module")
def test_what_a_net_has_frozen_stays_frozen(train, monkeypatch):
    modes = []
    forward = nn.Dropout.forward
    monkeypatch.setattr(nn.Dropout, "forward", lambda self, x: modes.append(self.training) or forward(self, x))
    own = ["~net.hidden", "~net.activation", "~net.dropout", f"net._target_={__name__}.Frozen"]
    train("data=wine", *own, "trainer.max_epochs=1")
    assert modes
    assert not any(modes)


class Silent(MLP):
    """Raises an error without a text."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError


def test_a_net_that_raises_without_a_text_is_named(call, capsys):
    assert call("train", "data=wine", f"net._target_={__name__}.Silent") == 1
    error = capsys.readouterr().err
    assert error.startswith(f"Error: net: {__name__}.Silent cannot read data of shape [13]. test_module.py, line ")
    assert error.endswith(": RuntimeError.\n")


@pytest.mark.filterwarnings("ignore:Found 1 module")
def test_an_error_of_torchs_own_in_training_keeps_its_traceback(call, capsys, monkeypatch):
    monkeypatch.setattr(MLP, "forward", lambda self, x: torch.optim.SGD([], lr=1))
    monkeypatch.setattr("src.module.SupervisedModule._check", lambda *_: None)
    assert call("train", "data=wine") == 1
    assert "ValueError" in capsys.readouterr().err


class Twofold(MLP):
    def forward(self, x: torch.Tensor) -> Any:
        scores = super().forward(x)
        return (scores, scores) if self.training else scores


def test_several_answers_need_a_weight(call, capsys):
    assert call("train", "data=wine", f"net._target_={__name__}.Twofold") == 1
    assert "answers several times in training: it needs an auxiliary_weight." in capsys.readouterr().err


def test_auxiliary_classifiers_learn_by_their_weight(train):
    tiny = ["net=googlenet", "data=stripes", "data.shape=[3,32,32]", "data.size=16", "data.batch_size=8"]
    settings = [*tiny, "trainer.max_epochs=1", "optimizer=sgd", "optimizer.momentum=0.0", "scheduler=constant"]
    train(*settings, "net.auxiliary_weight=0.0", "name=without")
    train(*settings, "name=with")
    train(*settings, "optimizer.lr=1e-30", "name=start")
    start, without, with_them = (Run(f"outputs/{n}").load().net.aux1.fc2.weight for n in ("start", "without", "with"))
    assert torch.equal(start, without)
    assert not torch.equal(start, with_them)


def test_a_run_starts_from_the_weights_that_it_is_given(train, call):
    train(*WINE, "name=first")
    assert call("export", "outputs/first", "format=state_dict") == 0
    # Another seed, and no learning: the weights can only be the first run's.
    train(*WINE, "name=second", "seed=1", "optimizer.lr=1e-30", "weights=outputs/first/export/parameters.pt")
    first, second = (Run(f"outputs/{name}").load().net.state_dict() for name in ("first", "second"))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("rarely", [[], ["trainer.check_val_every_n_epoch=3"], ["trainer.val_check_interval=3"]])
def test_without_a_monitor_the_last_epoch_is_kept(train, rarely):
    results = train(*WINE, *rarely, "monitor=null", "callbacks.early_stopping=null", "name=w")
    best, last = (
        torch.load(f"outputs/w/checkpoints/{name}.ckpt", weights_only=True)["state_dict"] for name in ("best", "last")
    )
    assert all(torch.equal(best[name], last[name]) for name in last if name != "task.temperature")
    with Path("outputs/w/logs/metrics.csv").open() as file:
        *_, row = csv.DictReader(file)
    assert results["train/loss"] == float(row["train/loss"])


def test_a_run_on_all_examples_has_training_scores_only(train, capsys):
    settings = ["data.fractions=[1,0,0]", "monitor=null", "callbacks.early_stopping=null"]
    results = train(*WINE, *settings)
    assert {name.partition("/")[0] for name in results if "/" in name} == {"train"}
    assert "train/accuracy" in capsys.readouterr().out


def history(name: str) -> list[dict[str, float]]:
    return read_history(history_of(f"outputs/{name}"))


def test_the_best_epoch_is_scored_not_the_last(train):
    """The worst by loss, so that it is the first."""
    results = train(*WINE, "mode=max", "calibrate=false", "name=w")
    first, *_ = history("w")
    assert {name: results[name] for name in first if "/" in name} == {k: v for k, v in first.items() if "/" in k}
    module, test = Run("outputs/w").load(), Run("outputs/w").data().splits["test"]
    x, y = test.__getitems__(list(range(len(test))))
    with torch.no_grad():
        assert results["test/loss"] == pytest.approx(nn.functional.nll_loss(module(x).log(), y).item(), rel=1e-4)


def test_a_larger_accuracy_is_better_wherever_it_is_monitored(train):
    results = train(*WINE, "monitor=val/accuracy", "scheduler=plateau", "name=w")
    accuracies = [row["val/accuracy"] for row in history("w")]
    assert min(accuracies) < max(accuracies) == results["val/accuracy"]
    state = torch.load("outputs/w/checkpoints/last.ckpt", weights_only=True)
    [early_stopping] = [part for part in state["callbacks"].values() if "wait_count" in part]
    assert early_stopping["best_score"].item() == pytest.approx(max(accuracies))
    assert state["lr_schedulers"][0]["best"] == pytest.approx(max(accuracies))


def test_a_logger_of_the_users_gets_what_the_history_holds(train):
    train(*WINE, "name=plain")
    logger = "trainer.logger={_target_: lightning.pytorch.loggers.CSVLogger, save_dir: logged}"
    train(*WINE, logger, "trainer.log_every_n_steps=1", "name=w")
    [file] = Path("logged").rglob("metrics.csv")
    with file.open() as table:
        rows = list(csv.DictReader(table))
    for name in ("train/loss", "train/accuracy", "val/loss", "val/auroc"):
        measured = [row[name] for row in history("w")]
        assert measured == [row[name] for row in history("plain")]
        assert [float(row[name]) for row in rows if row[name]][:4] == pytest.approx(measured)


def test_compile_compiles_the_net(train, monkeypatch):
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda self, mode: compiled.append((type(self), mode)))
    train(*WINE, "trainer.max_epochs=1")
    assert compiled == []
    train(*WINE, "trainer.max_epochs=1", "compile=true")
    train(*WINE, "trainer.max_epochs=1", "compile=reduce-overhead")
    assert compiled == [(MLP, None), (MLP, "reduce-overhead")]


def test_channels_last_changes_the_order_in_memory_and_not_what_is_learnt(train):
    digits = ("data=digits", "net=cnn", "net.channels=[4,4]", "trainer.max_epochs=1")
    plain, other = train(*digits, "name=plain"), train(*digits, "name=other", "channels_last=true")
    assert other["test/loss"] == pytest.approx(plain["test/loss"], rel=1e-3)
    layers = [
        next(m for m in Run(f"outputs/{name}").load().modules() if isinstance(m, nn.Conv2d) and m.in_channels > 1)
        for name in ("plain", "other")
    ]
    assert [layer.weight.is_contiguous(memory_format=torch.channels_last) for layer in layers] == [False, True]
    outputs = layers[1](torch.rand(2, 4, 8, 8))
    assert outputs.is_contiguous(memory_format=torch.channels_last)


def test_compile_names_its_modes(call, capsys):
    assert call("train", *WINE, "compile=faster") == 1
    assert "compile='faster'" in (said := capsys.readouterr().err)
    assert "reduce-overhead" in said
