"""Every experiment reaches what it must; its header says what it reaches as a rule."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from src.run import Run
from tests.conftest import PROJECT

Results = dict[str, Any]


def at_least(accuracy: float) -> Callable[[Results], bool]:
    return lambda results: results["test/accuracy"] >= accuracy


def intercept_and_slope(results: Results) -> tuple[float, float]:
    module = Run(results["run"]).load().double()
    with torch.no_grad():
        at_0, at_1 = module(torch.tensor([[0.0], [1.0]]))[:, 0].double().tolist()
    return at_0, at_1 - at_0


def is_the_line_of_gradient_descent_in_numpy(results: Results) -> bool:
    random = np.random.RandomState(42)
    x = random.rand(100, 1)
    y = 1 + 2 * x + 0.1 * random.randn(100, 1)
    idx = np.arange(100)
    random.shuffle(idx)
    x, y = x[idx[:80]], y[idx[:80]]
    a, b = 0.0, 0.0
    for _ in range(1000):
        error = y - (a + b * x)
        a, b = a + 0.1 * 2 * error.mean(), b + 0.1 * 2 * (x * error).mean()
    as_published = [f"{value:.5f}" for value in intercept_and_slope(results)] == ["1.02354", "1.96896"]
    return as_published and intercept_and_slope(results) == pytest.approx((a, b), abs=1e-6)


def learns_a_batch_by_heart(results: Results) -> bool:
    return results["train/accuracy"] == 1 and results["train/loss"] < 0.1


REACHES: dict[str, Callable[[Results], bool]] = {
    "linear_regression": is_the_line_of_gradient_descent_in_numpy,
    "linear_regression_minibatch": lambda r: np.allclose(intercept_and_slope(r), (1, 2), rtol=0, atol=0.05),
    "parabola": lambda r: max(r[f"{split}/mse"] for split in ("train", "val", "test")) <= 0.008,
    "logistic_regression": at_least(0.96),
    "softmax_digits": at_least(0.94),
    "cnn_digits": at_least(0.98),
    "inception_digits": at_least(0.98),
    "resnet_digits": at_least(0.98),
    "rnn_digits": at_least(0.94),
    "lstm_digits": at_least(0.95),
    "gru_digits": at_least(0.96),
    "rnn_cell_digits": at_least(0.94),
    "by_hand_digits": at_least(0.95),
    "resnet18": learns_a_batch_by_heart,
    "resnet50": learns_a_batch_by_heart,
    "googlenet": learns_a_batch_by_heart,
}
SLOW = ("resnet18", "resnet50", "googlenet")


@pytest.mark.parametrize(
    "experiment", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in REACHES]
)
def test_it_reaches_its_figure(train, experiment):
    results = train(f"experiment={experiment}")
    assert REACHES[experiment](results), results


def test_every_experiment_of_the_readmes_ladder_is_tried():
    ladder = (PROJECT / "README.md").read_text().split("## The ladder")[1]
    rows = re.findall(r"^\| (`.*?`) \|", ladder, re.MULTILINE)
    assert set(REACHES) == set(re.findall(r"\w+", " ".join(rows))) - {"experiment"}


@pytest.mark.parametrize("net", [pytest.param("line_nested", marks=pytest.mark.slow), "linear"])
def test_a_line_is_the_same_however_it_is_written(train, net):
    results = train("experiment=linear_regression", f"net={net}")
    assert REACHES["linear_regression"](results)


def test_logistic_regression_is_as_good_as_scikit_learns(train):
    results = train("experiment=logistic_regression")
    run = Run(results["run"])
    data = run.data()
    (x, y), (x_test, y_test) = (
        (x.numpy(), y.numpy())
        for x, y in (part.__getitems__(list(range(len(part)))) for part in (data.splits["train"], data.splits["test"]))
    )
    oracle = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y).score(x_test, y_test)
    assert results["test/accuracy"] == pytest.approx(oracle, abs=0.02)


def test_the_parabola_is_animated(train):
    from PIL import Image

    run = Path(train("experiment=parabola", "trainer.max_epochs=30")["run"])
    with Image.open(run / "plots" / "fit.gif") as film:
        assert getattr(film, "n_frames", 1) >= 30
        first = np.asarray(film.convert("L")).astype(int)
        film.seek(29)
        assert np.abs(np.asarray(film.convert("L")) - first).max() > 100  # the curve has moved
