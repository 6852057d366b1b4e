"""The nets learn what they should, and no more than they can."""

from __future__ import annotations

import pytest
from sklearn.linear_model import LinearRegression


def test_the_default_run_reads_digits(train):
    results = train()
    assert results["test/accuracy"] >= 0.96
    assert results["epochs"] <= 40


def test_a_parabola_needs_a_hidden_layer(train):
    assert train("data=parabola", "net=linear")["test/r2"] < 0.2
    assert train("data=parabola", "net=mlp")["test/r2"] > 0.9


@pytest.mark.parametrize(("data", "accuracy"), [("wine", 0.95), ("breast_cancer", 0.96)])
def test_small_tables_are_classified(train, data, accuracy):
    assert train(f"data={data}")["test/accuracy"] >= accuracy


def test_diabetes_is_as_good_as_least_squares(train):
    results = train("data=diabetes")
    from src.run import Run

    data = Run(results["run"]).data()
    (x, y), (x_test, y_test) = (
        part.__getitems__(list(range(len(part)))) for part in (data.splits["train"], data.splits["test"])
    )
    oracle = LinearRegression().fit(x.numpy(), y.numpy()).score(x_test.numpy(), y_test.numpy())
    assert results["test/r2"] >= oracle - 0.03


def test_one_batch_is_learnt_by_heart(train):
    assert train("debug=overfit")["train/loss"] < 0.01
