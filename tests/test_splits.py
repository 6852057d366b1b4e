"""Which examples are for training, validation and test."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from src.console.messages import UserError
from src.datamodule import DataModule
from src.datasets.memory import InMemory
from src.datasets.random_split import random_split
from src.datasets.sampling import SplitSubset, TrainingSubset
from tests.sources import data_module

pytestmark = pytest.mark.quick

THREE = [0.6, 0.2, 0.2]


def together(parts: dict[str, Tensor]) -> list[int]:
    return sorted(int(i) for part in parts.values() for i in part)


@pytest.mark.parametrize("size", [10, 178, 50_000])
def test_it_is_the_split_of_torch(size):
    ours = random_split(size, THREE, seed=7)
    lengths = [len(part) for part in ours.values()]
    theirs = torch.utils.data.random_split(
        TensorDataset(torch.arange(size)), lengths, generator=torch.Generator().manual_seed(7)
    )
    assert [part.tolist() for part in ours.values()] == [list(part.indices) for part in theirs]


@pytest.mark.parametrize("seed", [0, 3, None])
def test_stratified_parts_have_the_shares_of_the_classes(seed):
    labels = torch.tensor([0] * 100 + [1] * 50 + [2] * 5)
    parts = random_split(155, THREE, seed, labels=labels)
    assert together(parts) == list(range(155))
    for split, fraction in zip(parts, THREE, strict=True):
        counts = labels[parts[split].long()].bincount(minlength=3)
        assert ((counts - fraction * torch.tensor([100, 50, 5])).abs() <= 1).all()


@pytest.mark.parametrize("seed", [0, 3, None])
@pytest.mark.parametrize("fold", [None, (0, 4), (3, 4)])
def test_a_group_stays_in_one_part(seed, fold):
    groups = torch.randint(12, (200,), generator=torch.Generator().manual_seed(1))
    parts = random_split(200, THREE, seed, groups=groups, fold=fold)
    assert together(parts) == list(range(200))
    of = [set(groups[part.long()].tolist()) for part in parts.values()]
    assert all(of)
    assert sum(map(len, of)) == 12


@pytest.mark.parametrize("labels", [None, torch.arange(101) % 3])
def test_the_folds_test_every_example_once(labels):
    folds = [random_split(101, THREE, 0, labels=labels, fold=(k, 5)) for k in range(5)]
    assert sorted(int(i) for parts in folds for i in parts["test"]) == list(range(101))
    for parts in folds:
        assert together(parts) == list(range(101))
        assert len(parts["val"]) == round(len(parts["train"]) / 3)  # as 0.2 is to 0.6


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_each_fold_has_its_share_of_each_class(fold):
    data = data_module("data=wine", stratify=True, folds=3, fold=fold)
    everything: Any = data.dataset
    counts = everything.y.bincount()
    for split, subset in data.splits.items():
        share = len(subset) / len(everything)
        assert ((everything.y[subset.indices.long()].bincount() - share * counts).abs() <= 1.5).all(), split


def test_ready_made_splits_are_kept_and_the_rest_comes_from_train():
    test = torch.arange(80, 100)
    parts = random_split(100, THREE, 0, ready={"train": torch.arange(80), "test": test})
    assert torch.equal(parts["test"], test)
    assert (len(parts["train"]), len(parts["val"])) == (60, 20)
    assert together(parts) == list(range(100))
    folded = random_split(100, THREE, 0, ready={"train": torch.arange(80), "test": test}, fold=(1, 4))
    assert torch.equal(folded["test"], test)
    assert (len(folded["train"]), len(folded["val"])) == (60, 20)


def test_classes_and_groups_are_those_of_the_rows_that_are_left_to_split():
    """Ready-made training examples need not be the first."""
    train = torch.arange(60, 100)
    labels = torch.tensor([0] * 60 + [1] * 20 + [2] * 20)
    parts = random_split(100, THREE, 0, labels=labels, ready={"train": train})
    assert [labels[part.long()].bincount(minlength=3).tolist() for part in parts.values()] == [
        [0, 12, 12],
        [0, 4, 4],
        [0, 4, 4],
    ]
    groups = torch.arange(100) // 4
    parts = random_split(100, THREE, 0, groups=groups, ready={"train": train})
    assert together(parts) == train.tolist()
    assert sum(len(groups[part.long()].unique()) for part in parts.values()) == 10


def labelled(size: int) -> InMemory:
    y = torch.arange(size) % 2
    y[0] = 2
    return InMemory(torch.rand(size, 3), y, ["a", "b", "lonely"])


def numbers(size: int) -> InMemory:
    return InMemory(torch.rand(size, 3), torch.rand(size, 1))


@pytest.mark.parametrize(
    ("dataset", "keys", "says"),
    [
        ("labelled", {"stratify": True}, "there is one example of class lonely, which cannot be shared out."),
        ("numbers", {"stratify": True}, "data.stratify=true shares out classes, but this target is a number."),
        ("numbers", {"folds": 5, "fold": 5}, "data.fold=5: of data.folds=5 the last is 4, the first 0."),
        ("numbers", {"folds": 5, "fold": -1}, "data.fold=-1: of data.folds=5"),
        ("numbers", {"folds": 1, "fold": 0}, "data.folds=1: at least 2."),
        ("numbers", {"folds": 5}, "data.folds= goes with data.fold=, such as data.folds=5 data.fold=0."),
        ("numbers", {"fold": 5}, "data.fold= goes with data.folds="),
    ],
)
def test_a_split_that_cannot_be_is_refused(dataset, keys, says):
    with pytest.raises(UserError, match=says.replace("[", r"\[")):
        own_data(dataset, **keys)


def own_data(dataset: str, **changes: Any) -> DataModule:
    """Forty examples of one of the functions here."""
    target = f"data.dataset._target_=tests.test_splits.{dataset}"
    return data_module("data=own", target, fractions=THREE, size=40, **changes)


class Changing(InMemory):
    augments = True

    def augmented(self, index: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return self.x[index] + torch.rand(3, generator=generator), self.y[index]


def changing(size: int) -> InMemory:
    return Changing(torch.zeros(size, 3), torch.arange(size) % 2)


def test_random_changes_follow_from_seed_epoch_and_index():
    subset = SplitSubset(changing(8), torch.arange(8))
    keys = [(seed, epoch, i) for seed in (0, 1) for epoch in (0, 1) for i in (0, 1)]
    seen = {tuple(TrainingSubset(subset, seed, True)[epoch, i][0].tolist()) for seed, epoch, i in keys}
    assert len(seen) == 8
    assert torch.equal(TrainingSubset(subset, 1, True)[3, 2][0], TrainingSubset(subset, 1, True)[3, 2][0])


@pytest.mark.parametrize("workers", [0, 2])
def test_only_training_batches_are_changed(workers):
    data = own_data("changing", num_workers=workers, batch_size=4)
    x = torch.cat([x for x, _ in data.loader("train", seed=0, trains=True)])
    again = torch.cat([x for x, _ in data.loader("train", seed=0, trains=True)])
    assert torch.equal(x, again)
    assert len(x.unique(dim=0)) == 24
    assert all((x == 0).all() for x, _ in data.loader("test"))
    assert all((x == 0).all() for x, _ in data.training_batches())


def test_a_sweep_over_folds_cross_validates(call, folder):
    arguments = ["data=wine", "name=cv", "data.folds=3", "data.fold=range(3)", "data.stratify=true"]
    assert call("train", "-m", *arguments, "trainer.max_epochs=1") == 0
    assert [len(list((folder / "outputs/cv").glob(f"*data.fold={k},*/results.json"))) for k in range(3)] == [1] * 3
