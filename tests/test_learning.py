"""The nets learn what they should, and no more than they can."""

from __future__ import annotations

import pytest
import torch
from sklearn.linear_model import LinearRegression


def test_the_default_run_reads_digits(train):
    results = train()
    assert results["test/accuracy"] >= 0.96
    assert results["epochs"] <= 40


def test_a_parabola_needs_a_hidden_layer(train):
    assert train("data=parabola", "net=linear")["test/r2"] < 0.2
    assert train("data=parabola", "net=mlp")["test/r2"] > 0.9


def test_a_line_is_found(train):
    results = train("data=line", "net=linear", "standardize=false", "name=line", "optimizer.lr=0.05")
    state = torch.load("outputs/line/checkpoints/best.ckpt", weights_only=True)["state_dict"]
    slope, intercept = state["net.1.weight"].item(), state["net.1.bias"].item()
    assert slope == pytest.approx(2, abs=0.05)
    assert intercept == pytest.approx(1, abs=0.05)
    assert results["test/rmse"] == pytest.approx(0.1, abs=0.02)  # the noise


@pytest.mark.parametrize(("data", "accuracy"), [("wine", 0.95), ("breast_cancer", 0.96)])
def test_small_tables_are_classified(train, data, accuracy):
    assert train(f"data={data}")["test/accuracy"] >= accuracy


def test_diabetes_is_as_good_as_least_squares(train):
    results = train("data=diabetes")
    from src.build import build
    from src.run import Run

    data = build(Run(results["run"]).config().data)
    data.setup("test")
    (x, y), (x_test, y_test) = (
        part.__getitems__(range(len(part))) for part in (data.splits["train"], data.splits["test"])
    )
    oracle = LinearRegression().fit(x.numpy(), y.numpy()).score(x_test.numpy(), y_test.numpy())
    assert results["test/r2"] >= oracle - 0.03


def test_a_cnn_reads_digits_better(train):
    assert train("experiment=digits_cnn")["test/accuracy"] >= 0.98


def test_one_batch_is_learnt_by_heart(train):
    assert train("debug=overfit")["train/loss"] < 0.01
