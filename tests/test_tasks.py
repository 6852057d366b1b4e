"""A task is one object: what is learnt, how it is scored, and what the user reads of it."""

from __future__ import annotations

import csv
import json
import math
import multiprocessing
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics as sklearn_metrics
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional
from torch.utils.data import Dataset

from src.console.messages import UserError
from src.learning.epoch_metrics import EpochMetrics
from src.run import Run
from src.tasks import Classification, MultiLabel, Regression, auto
from src.tasks.metrics import PresentAUROC, _say_binned
from tests.sources import description

WINE = ("data=wine", "net.hidden=[8]", "trainer.max_epochs=3")


def test_the_data_suggest_the_task():
    assert isinstance(auto(description((2,))), Regression)
    assert isinstance(auto(description(classes=["a", "b"])), Classification)
    with pytest.raises(UserError, match="Choose multilabel if each is 1 or 0"):
        auto(description((3,), target_is_float=False))


def test_two_classes_have_one_output_and_more_have_one_each():
    for classes, outputs in ((["a", "b"], 1), (["a", "b", "c"], 3)):
        assert Classification(description(classes=classes)).output_size == outputs
    with pytest.raises(UserError, match="All examples of data are of one class, a"):
        Classification(description(classes=["a"]))


def labels() -> tuple[MultiLabel, torch.Tensor, torch.Tensor]:
    """A task of three labels; predictions and truth (200, 3), of which the last label never applies."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(0, 2, (200, 3), generator=generator)
    truth[:, 2] = 0
    predictions = (0.6 * truth + 0.5 * torch.rand(200, 3, generator=generator)).clamp(max=1)
    return MultiLabel(description((3,)), threshold=0.4), predictions, truth


def test_metrics_of_labels_equal_scikit_learns():
    task, predictions, truth = labels()
    counted = EpochMetrics("val", task.metrics(), task)
    counted.update(torch.tensor(0.0), predictions.logit(), truth)
    ours = {name.removeprefix("val/"): value.item() for name, value in counted.compute().items()}
    decided = (predictions > 0.4).int()
    by_label = sklearn_metrics.f1_score(truth, decided, average=None, zero_division=0)
    assert ours["f1"] == pytest.approx(by_label.mean(), abs=1e-6)
    assert [ours[f"f1_y{k}"] for k in range(3)] == pytest.approx(list(by_label), abs=1e-6)
    assert ours["accuracy"] == pytest.approx((truth == decided).float().mean().item())
    assert ours["exact"] == pytest.approx((truth == decided).all(dim=1).float().mean().item())
    areas = [sklearn_metrics.roc_auc_score(truth[:, k], predictions[:, k]) for k in range(2)]  # the third has no ones
    assert ours["auroc"] == pytest.approx(np.mean(areas), abs=1e-6)


def test_a_label_that_is_neither_1_nor_0_is_refused():
    task, *_ = labels()
    with pytest.raises(UserError, match=r"y holds 2\."):
        task.truth(torch.tensor([[0.0, 1.0, 2.0]]))


def test_a_label_that_is_neither_1_nor_0_is_refused_in_training(call, capsys, monkeypatch):
    monkeypatch.setattr(Tagged, "labels", 3)
    assert call("train", *OWN, "task=multilabel", "data.batch_size=2") == 1
    assert "A label is 1 where it applies and 0 where it does not, but y holds 2." in capsys.readouterr().err
    assert not list(Path("outputs").glob("*"))


def test_a_label_may_have_any_name():
    task = MultiLabel(description((2,), targets=["v1.0", "keys"]), threshold=0.5)
    counted = EpochMetrics("val", task.metrics(), task)
    counted.update(torch.tensor(0.0), torch.tensor([[3.0, -3.0], [3.0, 3.0]]), torch.tensor([[1, 0], [0, 1]]))
    values = counted.compute()
    assert values["val/f1_keys"] == 1
    assert values["val/f1_v1.0"] == pytest.approx(2 / 3)


def many(count: int, size: int, rare: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities (size, count) and labels (size, count) of which so many apply as the probabilities say."""
    generator = torch.Generator().manual_seed(0)
    odds = 2 * torch.randn(size, count, generator=generator) + math.log(rare)
    return odds.sigmoid(), (torch.rand(size, count, generator=generator) < odds.sigmoid()).long()


def area(batches: Iterable[tuple[torch.Tensor, torch.Tensor]], count: int) -> tuple[float, PresentAUROC]:
    metric = PresentAUROC(count)
    for probabilities, truth in batches:
        metric.update(probabilities, truth)
    return metric.compute().item(), metric


@pytest.mark.parametrize("rare", [1.0, 1e-3])
def test_an_auroc_of_many_examples_is_nearly_exact_and_keeps_few_of_them(monkeypatch, rare):
    probabilities, truth = many(3, 50_000, rare)
    batches = list(zip(probabilities.split(64), truth.split(64), strict=True))
    exact, _ = area(batches, 3)
    assert exact == pytest.approx(sklearn_metrics.roc_auc_score(truth, probabilities), abs=1e-6)
    monkeypatch.setattr("src.tasks.metrics.EXACT", 10_000)
    binned, metric = area(batches, 3)
    assert binned == pytest.approx(exact, abs=1e-3)
    assert binned != exact
    assert area(batches[::-1], 3)[0] == binned  # whatever the order
    metric.reset()
    for batch in batches:
        metric.update(*batch)
        assert sum(kept.numel() for kept in metric.preds) <= 10_000
        assert sum(kept.numel() for kept in metric.target) <= 10_000


def test_an_auroc_of_many_examples_of_classes_is_as_that_of_few(monkeypatch):
    """A class that does not come does not count, and one that is all has no area."""
    probabilities = torch.randn(5000, 4, generator=torch.Generator().manual_seed(0)).softmax(dim=1)
    truth = probabilities[:, :3].argmax(dim=1)
    exact, _ = area([(probabilities, truth)], 4)
    monkeypatch.setattr("src.tasks.metrics.EXACT", 1000)
    assert area([(probabilities, truth)], 4)[0] == pytest.approx(exact, abs=1e-3)
    assert math.isnan(area([(probabilities, torch.zeros_like(truth))], 4)[0])


def test_an_epoch_of_many_examples_goes_on_where_it_was(monkeypatch):
    monkeypatch.setattr("src.tasks.metrics.EXACT", 2000)
    task = MultiLabel(description((3,)), threshold=0.4)
    probabilities, truth = many(3, 5000)
    batches = list(zip(probabilities.logit().split(8), truth.split(8), strict=True))
    whole, before, after = (EpochMetrics("val", task.metrics(), task) for _ in range(3))
    for i, (outputs, y) in enumerate(batches):
        whole.update(torch.tensor(0.5), outputs, y)
        (before if i < 300 else after).update(torch.tensor(0.5), outputs, y)
        if i == 299:
            torch.save(before.counted_so_far(), "state.pt")
            after.go_on_from(torch.load("state.pt", weights_only=True), torch.device("cpu"))
    assert before.counted_so_far()["waiting"]
    assert whole.compute() == after.compute()


def test_batches_that_wait_share_room_and_a_checkpoint_has_no_more_than_they_hold():
    task = Classification(description(classes=["a", "b"]))
    of_all = [EpochMetrics("val", task.metrics(), task) for _ in range(2)]
    batches = [(torch.rand(()), torch.randn(n, 1), torch.randint(2, (n,))) for n in [600] * 150 + [7]]
    with torch.inference_mode():
        for batch in batches[:60]:
            of_all[0].update(*batch)
    waiting = of_all[0].waiting[1:]
    assert len({part.untyped_storage().data_ptr() for batch in waiting for part in batch}) == 3
    for kept, batch in zip(waiting, batches[1:60], strict=True):
        assert all(map(torch.equal, kept, batch))
    assert of_all[0].counted_so_far()["waiting"][1][1].untyped_storage().nbytes() == 2400
    for batch in batches[60:]:
        of_all[0].update(*batch)
    for batch in batches:
        of_all[1].waiting.append(batch)
        if len(of_all[1].waiting) == 64:
            of_all[1]._count()
    assert of_all[0].compute() == of_all[1].compute()


def test_devices_that_have_seen_many_examples_and_few_have_one_auroc(monkeypatch):
    """As two processes do that exchange what they have counted."""
    monkeypatch.setattr("src.tasks.metrics.EXACT", 2000)
    probabilities, truth = many(3, 5000)
    parts = [(probabilities[:4000], truth[:4000]), (probabilities[4000:4600], truth[4000:4600])]
    alone, _ = area(parts, 3)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    processes = [context.Process(target=_counts, args=(rank, part, answers)) for rank, part in enumerate(parts)]
    for process in processes:
        process.start()
    assert [answers.get(timeout=60) for _ in parts] == [alone, alone]
    for process in processes:
        process.join()


def _counts(rank: int, part: tuple[torch.Tensor, torch.Tensor], answers: Any) -> None:
    torch.set_num_threads(1)  # the threads of this process' parent are none of its own
    torch.distributed.init_process_group("gloo", init_method=f"file://{Path.cwd()}/store", rank=rank, world_size=2)
    answers.put(area([part], 3)[0])
    torch.distributed.destroy_process_group()


def test_a_run_says_once_that_its_auroc_is_binned(train, capsys, monkeypatch):
    exact = train(*WINE, "name=exact")
    assert "auroc" not in capsys.readouterr().err
    monkeypatch.setattr("src.tasks.metrics.EXACT", 20)
    _say_binned.cache_clear()
    binned = train(*WINE, "name=binned")
    said = "auroc: there are more than 20 probabilities. They are counted in 1024 bins, not one by one.\n"
    assert capsys.readouterr().err.count(said) == 1
    assert binned["test/auroc"] == pytest.approx(exact["test/auroc"], abs=1e-2)
    assert binned["test/accuracy"] == exact["test/accuracy"]


def test_in_training_only_what_is_cheap_is_measured_and_all_that_is_asked_for(train):
    results = train(*WINE, "metrics.own._target_=torchmetrics.AUROC", "monitor=train/own", "name=w")
    rows = pd.read_csv("outputs/w/logs/metrics.csv")
    assert "train/auroc" not in {*rows.columns, *results}
    assert results["train/own"] == pytest.approx(rows["train/own"].max())
    assert {"train/accuracy", "val/auroc", "test/auroc", "test/own"} <= results.keys()
    dear_by_name = train(*WINE, "metrics.auroc._target_=torchmetrics.AUROC", "monitor=train/auroc")
    assert dear_by_name["train/auroc"] == results["train/own"]


@pytest.fixture
def tags(folder: Path) -> Path:
    """A table with three columns of 0 and 1 that follow from two others."""
    numbers = random.Random(0)
    with Path("tags.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["u", "v", "warm", "dry", "both"])
        for _ in range(400):
            u, v = numbers.gauss(0, 1), numbers.gauss(0, 1)
            writer.writerow([f"{u:.3f}", f"{v:.3f}", int(u > 0), int(v > 0.5), int(u > 0 and v > 0.5)])
    return folder


TAGS = ("data=table", "data.path=tags.csv", "data.target=[warm,dry,both]", "task=multilabel", "name=tags")


def test_labels_of_a_table_are_learnt_predicted_and_scored(tags, train, call, capsys):
    results = train(*TAGS, "trainer.max_epochs=15")
    assert results["test/f1"] > 0.85
    assert {f"test/f1_{name}" for name in ("warm", "dry", "both")} <= results.keys()
    assert call("predict", "outputs/tags", "tags.csv", "-o", "p.csv") == 0
    table = pd.read_csv("p.csv")
    assert list(table.columns[-6:]) == [
        f"{w}_{n}" for n in ("warm", "dry", "both") for w in ("predicted", "probability")
    ]
    assert (table.predicted_warm == (table.probability_warm > 0.5)).all()
    assert (table.predicted_warm == table.warm).mean() > 0.9
    capsys.readouterr()
    assert call("evaluate", "outputs/tags") == 0
    said = {line.split()[0]: float(line.split()[1]) for line in capsys.readouterr().out.splitlines()}
    assert said["test/f1_both"] == pytest.approx(results["test/f1_both"], abs=1e-4)


def test_a_column_that_holds_no_labels_is_named(tags, call, capsys):
    assert call("train", *TAGS[:2], "data.target=[warm,u]", "task=multilabel") == 1
    error = capsys.readouterr().err
    assert "u" in error
    assert len(error.splitlines()) == 1


class Tagged(Dataset):
    """y whole numbers (2,), without names."""

    labels = 2

    def __len__(self) -> int:
        return 60

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.randn(4, generator=torch.Generator().manual_seed(index)), torch.tensor(
            [index % self.labels, index % 3 == 0]
        )


OWN = ("data=own", f"data.dataset._target_={__name__}.Tagged", "data.num_workers=0", "trainer.max_epochs=1")


def test_any_dataset_may_have_labels_but_has_to_say_so(train, call, capsys):
    assert {"test/f1_y[0]", "test/f1_y[1]"} <= train(*OWN, "task=multilabel").keys()
    assert call("train", *OWN) == 1
    assert "task: y of an example holds whole numbers of shape [2]" in capsys.readouterr().err


def test_the_task_can_be_chosen_against_what_the_data_suggest(train):
    assert "test/r2" in train("data=wine", "task=regression", "net.hidden=[8]", "trainer.max_epochs=1")


def test_a_metric_by_config_is_measured_kept_and_chooses_the_best_epoch(train, call, capsys):
    results = train(*WINE, "metrics.kappa._target_=torchmetrics.CohenKappa", "monitor=val/kappa", "name=k")
    rows = pd.read_csv("outputs/k/logs/metrics.csv")
    assert results["val/kappa"] == pytest.approx(rows["val/kappa"].max())  # a larger one is better, as it says itself
    table = Run("outputs/k").data()
    x, y = table.splits["test"].__getitems__(list(range(len(table.splits["test"]))))
    with torch.no_grad():
        predicted = Run("outputs/k").load()(x).argmax(dim=1)
    assert results["test/kappa"] == pytest.approx(sklearn_metrics.cohen_kappa_score(y, predicted), abs=1e-6)
    assert call("train", *WINE, "metrics.m._target_=torchmetrics.ConfusionMatrix") == 1
    assert "metrics.m gives [3, 3], not one number." in capsys.readouterr().err


def test_balanced_weights_are_those_of_scikit_learn(train):
    train("data=breast_cancer", "net.hidden=[8]", "trainer.max_epochs=1", "loss.weight=balanced", "name=b")
    run = Run("outputs/b")
    module: Any = run.load()
    data = run.data()
    y = data.dataset.y[data.splits["train"].indices.long()].numpy()
    expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=y)
    assert module.loss.weight.tolist() == pytest.approx(expected.tolist())


def test_two_classes_are_weighed_as_more_are():
    generator = torch.Generator().manual_seed(0)
    outputs, y = torch.randn(20, 1, generator=generator), torch.arange(20) % 3 // 2
    weight = torch.tensor([1.0, 7.0])
    expected = functional.cross_entropy(torch.cat([torch.zeros_like(outputs), outputs], dim=1), y, weight)
    ours = Classification(description(classes=["a", "b"])).loss(outputs, y, weight)
    assert ours.item() == pytest.approx(expected.item())


def test_the_weight_of_a_label_is_that_of_its_ones():
    task, predictions, truth = labels()
    ones = truth.sum(dim=0)
    counts = task.counts()
    for batch in truth.split(64):
        counts.add(batch)
    weight = counts.balanced_weight()
    assert weight[:2].tolist() == pytest.approx(((200 - ones) / ones)[:2].tolist())  # the third never applies
    p = predictions.clamp(0.01, 0.99)
    losses = -(weight * truth * p.log() + (1 - truth) * (1 - p).log())
    assert task.loss(p.logit(), task.target(truth), weight).item() == pytest.approx(losses.mean().item(), rel=1e-5)


@pytest.mark.parametrize("loss", ["task", "smooth_labels"])
def test_a_heavier_class_is_predicted_more_often(train, loss):
    def share(name: str, *weight: str) -> float:
        train(*WINE, f"loss={loss}", f"name={name}", *weight)
        with torch.no_grad():
            return Run(f"outputs/{name}").load()(torch.randn(500, 13))[:, 1].mean().item()

    assert share("heavy", "loss.weight=[1,50,1]") > share("even")


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ((*WINE, "loss.weight=[1,2]"), "loss.weight=[1, 2]: balanced is needed, or a list of 3 numbers"),
        (("data=diabetes", "loss.weight=balanced"), "a regression has no classes to be weighed."),
        ((*WINE, "freeze=[layers.0*]"), "freeze: no parameter is named layers.0*. There are 1.weight, 1.bias"),
        ((*WINE, "freeze=['*']"), "leaves nothing of the net to learn."),
        ((*WINE, "optimizer.groups=[{lr: 0.1}]"), "a list is needed, such as [{parameters: layers.0*, lr: 0.0001}]."),
        ((*WINE, "metrics.x._target_=torch.nn.ReLU"), "metrics.x: torch.nn.ReLU is no torchmetrics.Metric."),
        ((*OWN, "task=multilabel", "task.threshold=2"), "task.threshold=2: a probability between 0 and 1 is needed."),
    ],
)
def test_what_cannot_be_is_told(call, capsys, overrides, says):
    assert call("train", *overrides) == 1
    error = capsys.readouterr().err
    assert says in error
    assert error.startswith("Error: ")
    assert not list(Path("outputs").glob("*"))


def weights(name: str, which: str = "last") -> dict[str, torch.Tensor]:
    return torch.load(f"outputs/{name}/checkpoints/{which}.ckpt", weights_only=True)["state_dict"]


def test_what_is_frozen_stays_as_it_was_and_the_rest_learns(train, capsys):
    train(*WINE, "name=all")
    net = {name.removeprefix("net."): w for name, w in weights("all").items() if name.startswith("net.")}
    torch.save(net, "start.pt")
    capsys.readouterr()
    train(*WINE, "weights=start.pt", "freeze=[1.w*,1.bias]", "name=tuned")
    assert "MLP: 139 parameters, of which 27 learn" in capsys.readouterr().out
    tuned = weights("tuned")
    assert torch.equal(tuned["net.1.weight"], net["1.weight"])
    assert torch.equal(tuned["net.1.bias"], net["1.bias"])
    assert not torch.equal(tuned["net.4.weight"], net["4.weight"])


def test_frozen_batch_norms_keep_their_means(train):
    settings = ("data=digits", "net=cnn", "net.channels=[4]", "trainer.max_epochs=1", "trainer.limit_train_batches=2")
    train(*settings, "freeze=['1.*']", "name=frozen")
    train(*settings, "name=free")
    assert weights("frozen")["net.1.running_mean"].abs().sum() == 0
    assert weights("free")["net.1.running_mean"].abs().sum() > 0


def test_parts_of_the_net_have_learning_rates_of_their_own(train):
    train(*WINE, "name=one", "optimizer.lr=1e-30")
    groups = "optimizer.groups=[{parameters: 4.*, lr: 0.01}]"
    train(*WINE, "name=two", "optimizer.lr=1e-30", groups, "scheduler=constant")
    start, end = weights("one"), weights("two")
    assert torch.equal(start["net.1.weight"], end["net.1.weight"])
    assert not torch.equal(start["net.4.weight"], end["net.4.weight"])


def test_training_from_python_gives_the_run_and_leaves_no_state(folder):
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig

    from src.train import train

    def state() -> list[Any]:
        import os
        import signal
        import warnings

        return [
            torch.get_rng_state().tolist(),
            random.getstate(),
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
            dict(os.environ),
            list(warnings.filters),
            signal.getsignal(signal.SIGINT),
            HydraConfig.instance().cfg,
            GlobalHydra.instance().hydra,
        ]

    before = state()
    run = train(*WINE, "name=python")
    assert state() == before
    assert isinstance(run, Run)
    assert run.results == json.loads(Path("outputs/python/results.json").read_text())
    assert train(*WINE).folder != train(*WINE, "trainer.deterministic=true").folder
    assert state() == before
    assert train(*WINE, "name=python").results == run.results  # finished: it is not trained again
    for overrides, says in ((("nett=mlp",), "Did you mean 'net'"), (("net.hidden=[0]",), "net.hidden=[0]: a layer")):
        with pytest.raises(UserError, match=says.replace("[", r"\[")):
            train("data=wine", *overrides, "name=wrong")
    assert not Path("outputs/wrong").exists()
    assert state() == before
    assert run.load()(torch.zeros(2, 13)).shape == (2, 3)
