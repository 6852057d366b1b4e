"""Data in memory are standardized once, and give the weights that standardizing every batch gives, bit for bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from src.datasets import prepared
from src.datasets.prepared import Prepared, PreparedLoader, PreparedSplit
from src.datasets.sampling import EpochSampler, SplitSubset
from tests.test_killed import assert_same, left

EPOCHS = ("trainer.max_epochs=2", "callbacks.early_stopping=null")
CASES = {
    "columns": ("data=wine", "net.hidden=[8]"),
    "values": ("data=diabetes", "net.hidden=[8]"),
    "bytes of images": ("data=stripes", "data.size=60", "data.shape=[3,6,6]", "net=cnn", "net.channels=[2,2]"),
    "not standardized": ("data=wine", "net.hidden=[8]", "standardize=false"),
    "doubles": ("data=wine", "net.hidden=[8]", "trainer.precision=64-true"),
    "brain floats": ("data=wine", "net.hidden=[8]", "trainer.precision=bf16-mixed"),
    "an epoch without its last batch": ("data=wine", "net.hidden=[8]", "data.drop_last=true"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_weights_are_those_of_batches_that_are_standardized_each(case, train, monkeypatch):
    train(*CASES[case], *EPOCHS, "name=once")
    monkeypatch.setattr(prepared, "MOST", 0)  # no room to hold them a second time
    train(*CASES[case], *EPOCHS, "name=each")
    assert_same(left("once"), left("each"))


class Watched(Dataset):
    """Counts the batches that are fetched from it; x (40, 3), y 0 or 1."""

    fetched = 0

    def __init__(self, in_memory: bool) -> None:
        self.x = torch.rand(40, 3, generator=torch.Generator().manual_seed(0))
        self.y = torch.arange(40) % 2
        if in_memory:
            self.in_memory = lambda: (self.x, self.y)

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.x[index], self.y[index]

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        print("fetched")
        return self.x[indices], self.y[indices]


@pytest.mark.parametrize("in_memory", [True, False])
def test_only_a_dataset_that_says_so_is_taken_as_two_tensors(in_memory, train, capsys):
    own = ("data=own", "data.dataset._target_=tests.test_prepared.Watched", f"+data.in_memory={in_memory}")
    train(*own, "net=linear", "trainer.max_epochs=3", "callbacks.early_stopping=null")
    # Once to learn the scales; then val, and test; else each batch of each epoch too.
    assert (capsys.readouterr().out.count("fetched") <= 3) == in_memory


def loader(size: int, batch: int, **options: Any) -> PreparedLoader:
    rows = torch.randperm(2 * size, generator=torch.Generator().manual_seed(1))[:size]
    x, y = torch.rand(2 * size, 16), torch.arange(2 * size)
    split = PreparedSplit(x, y, SplitSubset(Dataset(), rows), lambda x, y: Prepared(2 * x, y))
    sampler = EpochSampler(size, seed=0, rank=0, devices=1, even=True)
    return PreparedLoader(split, batch, sampler=sampler, **options)


@pytest.mark.parametrize("batch", [1, 5, 16, 1000])
def test_batches_are_those_of_the_sampler(batch):
    batches = loader(100, batch)
    x, y = batches.dataset.all()  # pyrefly: ignore
    expected = torch.tensor(list(batches.sampler)).split(batch)
    found = list(batches)
    assert len(found) == len(batches) == len(expected)
    for (got_x, got_y), rows in zip(found, expected, strict=True):
        assert torch.equal(got_x, x[rows])
        assert torch.equal(got_y, y[rows])


def test_the_last_batch_is_left_out_if_it_is_smaller():
    assert [len(y) for _, y in loader(100, 32, drop_last=True)] == [32, 32, 32]
    assert [len(y) for _, y in loader(100, 32)] == [32, 32, 32, 4]


def test_batches_begin_at_even_addresses():
    """A product of matrices may differ in its last bits elsewhere, and a run that goes on fetches others together."""
    for batch in (3, 7, 16, 64):
        assert all(x.data_ptr() % 64 == 0 and y.data_ptr() % 64 == 0 for x, y in loader(500, batch))
