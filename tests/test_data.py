"""Data: from a file to batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import datasets
from torch.utils.data import DataLoader, Dataset

from src.console.messages import UserError
from src.datamodule import DataModule
from src.datasets.sampling import EpochSampler
from src.datasets.tables.table import Table
from src.files.history import history_of, read_history
from src.tasks import auto
from tests.sources import data_module


@pytest.mark.quick
@pytest.mark.parametrize("name", ["digits", "diabetes", "wine", "breast_cancer"])
def test_the_files_hold_what_scikit_learn_ships(name):
    ours: Any = data_module(f"data={name}").splits["train"].dataset
    theirs = getattr(datasets, f"load_{name}")(**({"scaled": False} if name == "diabetes" else {}))
    np.testing.assert_allclose(ours.x.flatten(1).numpy(), theirs.data.astype("float32"), rtol=1e-6)
    if name == "diabetes":
        np.testing.assert_allclose(ours.y[:, 0].numpy(), theirs.target)
    elif name == "breast_cancer":
        names = [theirs.target_names[i] for i in theirs.target]
        assert [ours.classes[i] for i in ours.y] == names
    else:
        assert (ours.y.numpy() == theirs.target).all()


@pytest.mark.parametrize(
    ("name", "task", "input_shape", "output_size", "classes"),
    [
        ("digits", "multiclass", (1, 8, 8), 10, [*"0123456789"]),
        ("breast_cancer", "binary", (30,), 1, ["benign", "malignant"]),
        ("diabetes", "regression", (10,), 1, None),
        ("line", "regression", (1,), 1, None),
    ],
)
def test_task_and_shapes_come_from_the_data(name, task, input_shape, output_size, classes):
    data = data_module(f"data={name}").description
    chosen = auto(data)
    assert (chosen.summary()[0], data.input_shape, chosen.output_size, data.classes) == (
        task,
        input_shape,
        output_size,
        classes,
    )


def test_the_split_depends_on_its_own_seed_only():
    def test_rows(*overrides: str) -> list[int]:
        return data_module("data=wine", *overrides).splits["test"].indices.tolist()

    assert test_rows() == test_rows("seed=7")
    assert test_rows() != test_rows("data.split_seed=1")
    data = data_module("data=wine")
    assert sorted(i for split in data.splits.values() for i in split.indices) == list(range(178))


def test_without_a_seed_the_data_are_split_in_their_order():
    data = data_module("data=wine", "data.split_seed=null", "data.fractions=[0.5,0.5,0]")
    assert [list(part.indices) for part in data.splits.values()] == [list(range(89)), list(range(89, 178)), []]
    assert data.test_dataloader() == []


def test_each_part_of_the_parabola_measures_the_same_x():
    data = data_module("data=parabola")
    parts = [part.dataset[part.indices] for part in data.splits.values()]
    for x, y in parts:
        assert torch.equal(x, torch.linspace(-1, 1, 100).unsqueeze(1))
        assert (y - x**2).min() >= 0
        assert (y - x**2).max() < 0.2
    assert len({tuple(y[:, 0].tolist()) for _, y in parts}) == 3


def test_the_order_follows_from_seed_and_epoch():
    def order(seed: int | None, epoch: int, rank: int = 0, devices: int = 1) -> list[int]:
        sampler = EpochSampler(11, seed, rank, devices, even=False)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(0, 3) == order(0, 3)
    assert sorted(order(0, 3)) == list(range(11))
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1, 2)}) == 6
    assert order(None, 5) == list(range(11))
    # Two devices share the examples; in training each gets as many as the other.
    assert sorted(order(0, 3, 0, 2) + order(0, 3, 1, 2)) == list(range(11))
    assert [len(EpochSampler(11, 0, rank, 2, even=True)) for rank in (0, 1)] == [5, 5]


def test_the_beginning_of_an_epoch_can_be_skipped():
    sampler = EpochSampler(100_000, 0, rank=0, devices=1, even=True)
    sampler.set_epoch(3)
    whole = list(sampler)
    sampler.skip(70_001, epoch=3)
    assert list(sampler) == whole[70_001:]
    sampler.set_epoch(4)
    assert len(list(sampler)) == 100_000
    assert len(sampler) == 100_000


@pytest.mark.parametrize("seed", [None, 0])
@pytest.mark.parametrize("devices", [1, 2])
def test_no_example_of_many_is_lost(seed, devices):
    size = 2 * 65536 * devices + 7
    dealt = [list(EpochSampler(size, seed, rank, devices, even=False)) for rank in range(devices)]
    assert sorted(index for indices in dealt for index in indices) == list(range(size))


class Disk(Dataset):
    """One example at a time, as from files; y is a number without a name."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.full((4,), float(index)), index % 3


def disk(size: int) -> Disk:
    return Disk(size)


def own_data(**changes: Any) -> DataModule:
    """Fifty examples of `disk`, wherever that comes from."""
    target = "data.dataset._target_=tests.test_data.disk"
    return data_module("data=own", target, "data.fractions=[0.6,0.2,0.2]", size=50, **changes)


class Pair(Dataset):
    def __init__(self, x: object, y: object) -> None:
        self.pair = (x, y)

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> tuple[object, object]:
        return self.pair


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        (torch.zeros(2), "cat", "y of an example is 'cat': number the classes from 0"),
        ([0.0, 1.0], 1, "x of an example is a list: make it a tensor."),
        (object(), 1, "x of an example is a object: make it a tensor."),
    ],
)
def test_what_is_no_number_is_told(monkeypatch, x, y, says):
    monkeypatch.setattr("tests.test_data.disk", lambda size: Pair(x, y))
    with pytest.raises(UserError, match=says):
        own_data()


@pytest.mark.parametrize("workers", [0, 2])
def test_any_dataset_will_do_with_and_without_workers(workers):
    data = own_data(num_workers=workers, batch_size=4)
    assert data.description.classes == ["0", "1", "2"]
    batches = list(data.loader("train", seed=0))
    assert [tuple(x.shape) for x, _ in batches][:-1] == [(4, 4)] * 7
    assert sorted(int(v) for x, _ in batches for v in x[:, 0]) == sorted(data.splits["train"].indices)


def test_data_in_memory_are_fetched_in_whole_batches(monkeypatch):
    asked = []
    fetch = Table.__getitems__
    monkeypatch.setattr(Table, "__getitems__", lambda self, rows: asked.append(len(rows)) or fetch(self, rows))
    data = data_module("data=wine", "data.batch_size=50")
    loader = data.loader("train")
    assert (loader.num_workers, loader.pin_memory, loader.persistent_workers) == (0, False, False)
    asked.clear()
    assert sum(len(y) for _, y in loader) == sum(asked) == 124
    assert len(asked) == 3


@pytest.mark.parametrize(("drop_last", "steps"), [("false", 3), ("true", 2)])
def test_a_last_smaller_training_batch_can_be_left_out(train, drop_last, steps):
    settings = ["data=wine", "data.batch_size=50", "net.hidden=[4]", "trainer.max_epochs=1"]
    run = train(*settings, f"data.drop_last={drop_last}")["run"]
    assert read_history(history_of(run))[0]["step"] == steps  # of 124 examples


def test_workers_and_their_persistence_follow_from_the_dataset():
    loader = own_data()
    assert loader.loader("train").num_workers > 0
    assert loader.loader("train").persistent_workers


class Odd(Dataset):
    """Examples that are as they should not be."""

    def __init__(self, kind: str) -> None:
        examples = {
            "none": lambda i: None,
            "single": lambda i: torch.ones(3),
            "none later": lambda i: (torch.ones(3), i % 2) if i != 50 else None,
            "ragged": lambda i: (torch.ones(3 + i % 2), i % 2),
            "one hot": lambda i: (torch.ones(3), torch.eye(3)[i % 3]),
            "from one": lambda i: (torch.ones(3), 1 + i % 2),
        }
        self.classes = ["no", "yes"] if kind == "from one" else None
        self.example = examples[kind]

    def __len__(self) -> int:
        return 100

    def __getitem__(self, index: int) -> Any:
        return self.example(index)


class Endless(Dataset):
    def __init__(self, kind: str) -> None:
        pass

    def __getitem__(self, index: int) -> Any:
        return torch.ones(3), 0


def loader(kind: str) -> Any:
    return DataLoader(Odd(kind))


def three(kind: str) -> Any:
    return Odd(kind), Odd(kind), Odd(kind)


@pytest.mark.parametrize(
    ("dataset", "kind", "says"),
    [
        ("Odd", "none", "Error: data: example 0 is a NoneType: the Dataset has to give a pair (x, y)"),
        ("Odd", "single", "Error: data: example 0 is a Tensor: the Dataset has to give a pair (x, y)"),
        ("Odd", "none later", "Error: data: example 50 is a NoneType: the Dataset has to give a pair (x, y)"),
        (
            "Odd",
            "ragged",
            "Error: data: the examples of a batch differ in shape: stack expects each tensor to be equal",
        ),
        ("Endless", "", "Error: data: a Endless does not say how many examples it has, so they cannot be split"),
        (
            "Odd",
            "from one",
            "Error: data: y of example 1 is 2, but the Dataset's `classes` are 2, numbered from 0 to 1.",
        ),
        ("loader", "ragged", "Error: data: a DataLoader gives no example by its number: it needs __getitem__(index)."),
        (
            "three",
            "ragged",
            "Error: data: a tuple of 3 is no Dataset. Put the examples into one; its attribute `splits`",
        ),
    ],
)
def test_an_odd_dataset_is_told(call, capsys, dataset, kind, says):
    own = ("data=own", f"data.dataset._target_=tests.test_data.{dataset}", f"+data.kind={kind}")
    assert call("train", *own, "trainer.max_epochs=1") == 1
    error = capsys.readouterr().err
    assert error.startswith(says)
    assert len(error.splitlines()) == 1
    assert not list(Path("outputs").glob("*"))


def test_classes_as_one_hot_are_told(train, capsys):
    train("data=own", "data.dataset._target_=tests.test_data.Odd", "+data.kind=one hot", "trainer.max_epochs=1")
    assert "y of each example is one 1 among 0s." in capsys.readouterr().err
