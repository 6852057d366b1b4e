"""Examples in memory: what their target may be read as."""

from __future__ import annotations

import pytest
import torch

from src.console.messages import UserError
from src.datasets.contract import LearnsFromTraining, ReadsTarget, offer_of
from src.datasets.memory import InMemory

pytestmark = pytest.mark.quick

X = torch.zeros(4, 2)
WHOLE = torch.tensor([0, 1, 1, 2])
LABELS = torch.tensor([[0, 1], [1, 1], [1, 0], [0, 0]])


@pytest.mark.parametrize(
    ("y", "kind", "becomes"),
    [
        (WHOLE, None, WHOLE),
        (WHOLE, "class", WHOLE),
        (WHOLE.double(), "class", WHOLE),
        (WHOLE.reshape(4, 1), "class", WHOLE),
        (WHOLE, "values", WHOLE.float().reshape(4, 1)),
        (X / 3, None, X / 3),
        (X.double() / 3, "values", X.double() / 3),
        (LABELS, "labels", LABELS.float()),
        (LABELS.float(), "labels", LABELS.float()),
        (WHOLE > 0, "labels", (WHOLE > 0).float().reshape(4, 1)),
    ],
)
def test_y_is_read_as_the_task_needs(y, kind, becomes):
    data = InMemory(X, y)
    data.read_target(kind)
    assert data.y.dtype == becomes.dtype
    assert torch.equal(data.y, becomes)
    assert (offer_of(data).labels is None) == becomes.is_floating_point()


@pytest.mark.parametrize(
    ("y", "kind", "says"),
    [
        (WHOLE / 3, "class", "y holds fractions, or several values of an example: these are no classes."),
        (LABELS, "class", "y holds fractions, or several values of an example: these are no classes."),
        (WHOLE, "labels", "y holds 2, but a label is 1 (it applies) or 0 (it does not)."),
        (LABELS * 0.5, "labels", "y[1] holds 0.5, but a label is 1 (it applies) or 0 (it does not)."),
    ],
)
def test_what_y_cannot_be_is_refused(y, kind, says):
    with pytest.raises(UserError) as error:
        InMemory(X, y).read_target(kind)
    assert str(error.value) == says


def test_a_finished_run_numbers_the_classes():
    data = InMemory(X, WHOLE, ["a", "b", "c"])
    data.read_target("class", ["c", "b", "a", "d"])
    assert (data.y.tolist(), data.classes) == ([2, 1, 1, 0], ["c", "b", "a", "d"])
    data = InMemory(X, WHOLE)
    data.read_target("class", ["0", "1", "2"])
    assert (data.y.tolist(), offer_of(data).classes) == ([0, 1, 1, 2], ["0", "1", "2"])
    with pytest.raises(UserError, match=r"These data: the run knows no y 'b'. It knows: a, c."):
        InMemory(X, WHOLE, ["a", "b", "c"]).read_target("class", ["a", "c"])


def test_it_offers_what_the_contract_says():
    data = InMemory(X, WHOLE, ["a", "b", "c"], "letter", {"test": torch.tensor([3])}, {"_target_": "a.Reader"})
    assert isinstance(data, ReadsTarget)
    assert isinstance(data, LearnsFromTraining)
    offer = offer_of(data)
    assert (offer.fetches_batches, offer.collate, offer.augmented) == (True, None, None)
    assert (offer.classes, offer.target, offer.targets) == (["a", "b", "c"], "letter", None)
    assert (list(offer.splits), offer.groups, offer.input_shape) == (["test"], None, None)
    plain = offer_of(torch.utils.data.TensorDataset(X))
    assert (plain.labels, plain.classes, plain.target, plain.splits) == (None, None, "y", {})
