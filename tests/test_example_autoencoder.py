"""examples/autoencoder: a task of one's own, y = x."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest
import torch

from src.run import Run
from tests.conftest import PROJECT

EXAMPLE = ["--config-dir", str(PROJECT / "examples/autoencoder/conf"), "experiment=autoencoder"]
DIGITS = PROJECT / "src/datasets/shipped/digits.csv.gz"


@pytest.fixture
def run(train) -> Run:
    train(*EXAMPLE, "name=ae", "trainer.max_epochs=8", "data.batch_size=64")
    return Run("outputs/ae")


@pytest.mark.usefixtures("real_pictures")
def test_it_restores_digits_and_scores_strange_ones(run, call, folder, capsys):
    assert run.results["test/r2"] > 0.6
    assert (run.folder / "plots" / "reconstructions.png").exists()
    assert not (run.folder / "plots" / "confusion.png").exists()

    assert call("evaluate", "outputs/ae", "--resamples", "0") == 0
    assert f"{run.results['test/mse']:.4f}" in capsys.readouterr().out
    assert call("export", "outputs/ae") == 0

    with gzip.open(DIGITS, "rt") as file:
        digits = pd.read_csv(file).drop(columns="digit")[:100]
    strange = pd.DataFrame(np.random.default_rng(0).permuted(digits.to_numpy(), axis=1), columns=digits.columns)
    pd.concat([digits, strange]).to_csv("new.csv", index=False)
    assert call("predict", "outputs/ae", "new.csv", "-o", "scores.csv") == 0
    scores = pd.read_csv("scores.csv")["reconstruction_error"]
    assert scores[:100].max() < scores[100:].min()
    x = torch.tensor(digits.to_numpy(), dtype=torch.float32).reshape(-1, 1, 8, 8)
    with torch.no_grad():
        errors = (run.load()(x) - x).square().mean(dim=(1, 2, 3))
    np.testing.assert_allclose(scores[:100], errors, rtol=1e-4)


def test_another_table_and_another_code(train):
    results = train(*EXAMPLE, "data=diabetes", "net.code=5", "trainer.max_epochs=10")
    assert results["test/r2"] > 0.5
    assert not (results["run"] / "plots" / "reconstructions.png").exists()


def test_a_misspelt_key_of_the_example_is_named(call, capsys):
    assert call("train", *EXAMPLE, "net.cod=3") == 1
    assert "Did you mean 'net.code'?" in capsys.readouterr().err
    assert call("train", *EXAMPLE, "net=null") == 1
    assert "net=null: choose one of autoencoder, by_hand" in capsys.readouterr().err
