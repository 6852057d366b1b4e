"""explain=true: what each column adds to a prediction; together they are all that it has moved from the mean's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from src.console.messages import UserError
from src.learning.explain import Explanation, effects
from src.nets.standardize import Standardize
from src.run import Run
from tests.sources import description
from tests.test_predict import SHORT, TABLE, houses

COLUMNS = ["rooms", "city", "built", "garden"]


def explained(call: Any, run: str, *changes: str, ending: str = "csv") -> pd.DataFrame:
    assert call("predict", f"outputs/{run}", "new.csv", "-o", f"why.{ending}", *(changes or ("explain=true",))) == 0
    return pd.read_csv("why.csv") if ending == "csv" else pd.read_json("why.jsonl", lines=True)


def add_up(answers: pd.DataFrame, predicted: Any, rel: float = 1e-5) -> None:
    moved = np.asarray(predicted) - answers.baseline_prediction.to_numpy()
    found = answers.filter(like="effect_").to_numpy().sum(axis=1)
    assert np.abs(moved).max() > 0.01
    np.testing.assert_allclose(found, moved, rtol=rel, atol=rel * np.abs(moved).max())


@pytest.fixture
def house(finished, folder):
    houses("house.csv", 300)
    finished(*TABLE, "data.target=price", "name=house", *SHORT)
    houses("new.csv", 40, seed=1)
    return folder


def test_the_effects_of_columns_add_up_to_what_a_value_has_moved(house, call):
    """From the prediction for the mean of the training rows; those of a category or date are one column's."""
    answers = explained(call, "house")
    more = [f"effect_{name}" for name in COLUMNS]
    assert list(answers)[-6:] == ["predicted_price", "baseline_prediction", *more]
    add_up(answers, answers.predicted_price)
    module = Run("outputs/house").load()
    with torch.no_grad():
        baseline = module(module.input_scale.mean[None]).item()
    assert answers.baseline_prediction.to_numpy() == pytest.approx(np.full(40, baseline), rel=1e-5)
    parts = explained(call, "house", "explain=true", "data.batch_size=7", ending="jsonl")
    np.testing.assert_allclose(parts[more], answers[more], rtol=1e-3, atol=1e-2)
    assert list(explained(call, "house", "explain=false"))[-1] == "predicted_price"


def test_of_classes_it_is_the_probability_of_the_predicted_one_or_of_one_that_is_named(house, finished, call):
    finished(*TABLE, "data.target=city", "name=city", *SHORT)
    answers = explained(call, "city")
    names = ["Bergen", "Oslo", "Å, in Lofoten"]
    add_up(answers, answers[[f"probability_{name}" for name in names]].max(axis=1))
    assert answers.baseline_prediction.nunique() == answers.predicted_city.nunique()
    answers = explained(call, "city", "explain=Oslo")
    add_up(answers, answers.probability_Oslo)
    assert answers.baseline_prediction.nunique() == 1


def test_of_a_linear_net_it_is_the_coefficient_times_the_difference_to_the_mean(finished, call):
    run = finished("data=diabetes", "net=linear", "trainer.max_epochs=2", "name=linear")["run"]
    module = Run(run).load()
    rows = pd.DataFrame(np.random.default_rng(0).normal(0, 50, (20, 10)), columns=[*Run(run).reader({}).feature_counts])
    rows.to_csv("new.csv", index=False)
    [linear] = [layer for layer in module.net.modules() if isinstance(layer, nn.Linear)]
    scale = module.task.target_scale.std.numpy() / module.input_scale.std.numpy()
    expected = linear.weight.detach().numpy()[0] * scale * (rows.to_numpy() - module.input_scale.mean.numpy())
    answers = explained(call, "linear")
    assert answers.filter(like="effect_").to_numpy() == pytest.approx(expected, rel=1e-4, abs=1e-4)
    add_up(answers, answers.predicted_progression)


def test_of_several_values_one_is_named(house, train, call, capsys):
    table = pd.read_csv("house.csv", dtype={"id": str})
    table.assign(tax=table.price / 10).to_csv("house.csv", index=False)
    train(*TABLE, "data.target=[price,tax]", "name=two", "net.hidden=[4]", "net.dropout=0.5", "trainer.max_epochs=1")
    refused = {
        "true": "explain=true: the run predicts several values for a row. Say which: explain=price or explain=tax.",
        "taxes": "explain=taxes: the run predicts no such thing. Did you mean 'tax'?",
        "yes": "explain=yes: the run predicts no such thing. There are true, price, tax.",
    }
    for what, says in refused.items():
        assert call("predict", "outputs/two", "new.csv", "-o", "why.csv", f"explain={what}") == 1
        assert f"Error: {says}" in capsys.readouterr().err
        assert not Path("why.csv").exists()
    answers = explained(call, "two", "explain=tax")
    add_up(answers, answers.predicted_tax)


def test_what_has_no_columns_is_not_explained(finished, call, capsys):
    finished("data=line", "name=line", *SHORT)
    np.save("points.npy", np.zeros((3, 1), "float32"))
    assert call("predict", "outputs/line", "points.npy", "-o", "why.csv", "explain=true") == 1
    said = "Error: explain=true: this run reads no table, whose columns could have effects."
    assert said in capsys.readouterr().err
    assert not Path("why.csv").exists()


def test_a_net_that_bends_sharply_is_looked_at_more_closely():
    """The sums stay exact where a few points would miss nearly all of the way."""
    seen: list[int] = []

    def steep(x: Tensor) -> Tensor:
        seen.append(len(x))
        return torch.sigmoid(100 * (x[:, :1] + x[:, 1:] - 0.7))

    x = torch.tensor([[1.0, 0.5], [0.01, 0.01], [0.02, 0.01]])
    found, off = effects(steep, x, torch.zeros(1, 2), torch.zeros(3, dtype=torch.long))
    assert found.sum(dim=1).tolist() == pytest.approx([1, 0, 0], abs=1e-4)
    assert found[0].tolist() == pytest.approx([2 / 3, 1 / 3], abs=1e-3)
    assert off.max() < 1e-2
    assert 2 in seen  # halves of the one way that needs it
    assert sum(seen) < 500


class Net(nn.Module):
    """x (B, 2) -> (B, 1), by a function."""

    def __init__(self, predict: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.predict, self.input_scale = predict, Standardize((2,))

    def forward(self, x: Tensor) -> Tensor:
        return self.predict(x)


def test_a_code_is_moved_at_once_past_all_others():
    """A straight way to it would pass the thousand jumps between, and look at each."""
    seen: list[int] = []

    def jagged(x: Tensor) -> Tensor:
        seen.append(len(x))
        return torch.sin(1000 * x[:, :1]) * (1 + x[:, 1:]) + x[:, 1:] ** 2

    columns = [{"name": "shop", "kind": "number", "features": 1, "codes": 60}, {"name": "b"}]
    reader = SimpleNamespace(feature_counts={"shop": 1, "b": 1})
    x = torch.tensor([[0.7, 0.5], [3.0, -2.0]])
    found = Explanation(Net(jagged), description(input_shape=(2,), columns=columns), reader, "true")(x, jagged(x))
    waves = torch.sin(1000 * x[:, 0])
    assert found["effect_shop"].tolist() == pytest.approx(waves.tolist(), rel=1e-5)
    assert found["effect_b"].tolist() == pytest.approx((waves * x[:, 1] + x[:, 1] ** 2).tolist(), rel=1e-5)
    assert sum(seen) < 200


def test_what_gradients_cannot_see_is_told(capsys):
    reader = SimpleNamespace(feature_counts={"a": 1, "b": 1})
    x = torch.tensor([[0.0, 0.2], [3.0, 0.2]])

    def explain(predict: Callable[[Tensor], Tensor]) -> dict[str, Any]:
        explanation = Explanation(Net(predict), description(input_shape=(2,)), reader, "true")
        found = explanation(x, predict(x))
        explanation.tell()
        return found

    with pytest.raises(UserError, match=r"this net has no gradient with respect to its inputs"):
        explain(lambda x: x.detach()[:, :1])
    found = explain(lambda x: x[:, :1].round() + x[:, 1:])
    assert found["effect_a"].tolist() == [0, 0]
    assert found["effect_b"].tolist() == pytest.approx([0.2, 0.2])
    said = capsys.readouterr().err
    assert "of 1 of 2 rows the effects add up to more or less than the prediction has moved" in said
    assert "the mean of its data is not known: effects are against zeros." in said
    with pytest.raises(UserError, match=r"neither values nor classes"):
        explain(lambda x: x)
