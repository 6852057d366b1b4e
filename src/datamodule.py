"""The one LightningDataModule: Dataset -> random_split -> DataLoaders."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, cast

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler, Subset, default_collate, random_split

from src.build import build, check_parameters

SPLITS = ("train", "val", "test")


class EpochSampler(Sampler[int]):
    """Indices of one device's examples, in an order that follows from (seed, epoch) alone.

    So a run that goes on after a break sees what it would have seen. The devices take turns; in training all get
    equally many, since they step together.
    """

    def __init__(self, size: int, seed: int | None, epoch: int, rank: int, devices: int, even: bool) -> None:
        self.size, self.seed, self.epoch = size, seed, epoch
        self.dealt = range(rank, size // devices * devices if even else size, devices)

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls it before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        if self.seed is None:
            return iter(self.dealt)
        generator = torch.Generator().manual_seed((self.seed * 2_654_435_761 + self.epoch) % 2**63)
        order = torch.randperm(self.size, generator=generator)
        return iter(order[self.dealt.start : self.dealt.stop : self.dealt.step].tolist())

    def __len__(self) -> int:
        return len(self.dealt)


class DataModule(L.LightningDataModule):
    """Loads a dataset once, splits it with a seed of its own, hands out batches (x, y).

    After `setup` it knows `task`, `input_shape`, `output_size`, `classes` and `target`, the name of y.

    Args:
        dataset: spec of a function that returns a Dataset of (x, y): y float (K,) or (), or a class number. A
            Dataset with `__getitems__(indices)` fetches whole batches; `classes` on it names the classes, `target` y.
        fractions: of train, val and test; they add up to 1. 0 for val or test leaves that part, and its scores, out.
        split_seed: of the split; None: in the data's own order. `seed` is that of the training order.
        batch_size: examples in a batch, on each device.
        shuffle: the training examples, anew in every epoch.
        drop_last: leave out a last, smaller training batch.
        num_workers: loading processes; None: none for data in memory, else one per core up to 8.
        pin_memory: None: on a CUDA device.
        persistent_workers: keep them between epochs; None: yes.
        options: every other key of `data`, for the dataset's function.

    Raises:
        ValueError: a number out of its range, or a split that leaves a part without examples.
    """

    def __init__(
        self,
        dataset: dict[str, Any],
        fractions: list[float],
        split_seed: int | None = 0,
        seed: int = 0,
        batch_size: int = 32,
        shuffle: bool = True,
        drop_last: bool = False,
        num_workers: int | None = None,
        pin_memory: bool | None = None,
        persistent_workers: bool | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        check_parameters("data", dataset["_target_"], options)
        are_shares = len(fractions) == 3 and min(fractions) >= 0 and fractions[0] > 0
        if not are_shares or not math.isclose(sum(fractions), 1, abs_tol=1e-6):
            raise ValueError(
                f"data.fractions={fractions}: the shares of train, val and test must be three that add up to 1; "
                "only val and test may be 0. Try data.fractions=[0.7,0.15,0.15]."
            )
        if not 0 <= seed < 2**32:
            raise ValueError(f"seed={seed}: a seed is from 0 to {2**32 - 1}.")
        if batch_size < 1:
            raise ValueError(f"data.batch_size={batch_size}: a batch needs at least 1 example.")
        if num_workers is not None and not 0 <= num_workers <= 4 * (os.cpu_count() or 1):
            raise ValueError(f"data.num_workers={num_workers}: this machine has {os.cpu_count()} cores.")
        if persistent_workers and num_workers == 0:
            raise ValueError("data.persistent_workers=true needs workers: set data.num_workers to 1 or more.")
        self.dataset, self.options = dataset, options
        self.fractions, self.split_seed, self.seed = fractions, split_seed, seed
        self.batch_size, self.shuffle, self.drop_last = batch_size, shuffle, drop_last
        self.num_workers, self.pin_memory, self.persistent_workers = (
            num_workers,
            pin_memory,
            persistent_workers,
        )
        self.splits: dict[str, Subset] = {}

    def setup(self, stage: str) -> None:
        if self.splits:  # for fit, validate and test alike
            return
        dataset = build({**self.dataset, **self.options})
        lengths = self._lengths(len(dataset))
        if self.split_seed is None:
            parts = [Subset(dataset, range(end - n, end)) for n, end in zip(lengths, accumulate(lengths), strict=True)]
        else:
            parts = random_split(dataset, lengths, generator=torch.Generator().manual_seed(self.split_seed))
        self.splits = dict(zip(SPLITS, parts, strict=True))
        devices = self.trainer.world_size if self.trainer else 1
        for split, part in self.splits.items():
            if 0 < len(part) < devices:
                raise ValueError(f"trainer.devices={devices}: {len(part)} {split} examples are too few to share.")
        self.batched = hasattr(dataset, "__getitems__")
        self.collate = _as_fetched if self.batched else default_collate
        self.target = getattr(dataset, "target", "y")

        x, y = (_as_tensor(name, value) for name, value in zip("xy", self.splits["train"][0], strict=True))
        self.input_shape = tuple(x.shape)
        if y.is_floating_point():
            self.task, self.classes, self.output_size = "regression", None, max(1, y.numel())
        else:
            self.classes = self._classes(dataset)
            if len(self.classes) < 2:
                raise ValueError(
                    f"All examples of data are of one class, {self.classes[0]}: there is nothing to learn."
                )
            self.task = "binary" if len(self.classes) == 2 else "multiclass"
            self.output_size = 1 if self.task == "binary" else len(self.classes)

    def train_dataloader(self) -> DataLoader:
        assert self.trainer is not None
        batches = len(self.splits["train"]) // self.trainer.world_size / self.batch_size
        if self.drop_last and batches < 1:
            raise ValueError(
                f"data.batch_size={self.batch_size} with data.drop_last=true leaves nothing of "
                f"{len(self.splits['train'])} training examples."
            )
        # The epoch to start with: loader processes fetch before the first `set_epoch`.
        epoch = cast(Any, self.trainer.fit_loop.epoch_progress.current).processed
        return self.loader("train", self.seed if self.shuffle else None, epoch, self.drop_last)

    def val_dataloader(self) -> DataLoader | list[DataLoader]:
        return self.loader("val") if self.splits["val"] else []

    def test_dataloader(self) -> DataLoader | list[DataLoader]:
        return self.loader("test") if self.splits["test"] else []

    def loader(self, split: str, seed: int | None = None, epoch: int = 0, drop_last: bool = False) -> DataLoader:
        """Batches of this device's share of a split, in order, or shuffled by `seed` and epoch."""
        trainer = self.trainer
        rank, devices = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        workers = self.num_workers
        if workers is None:
            workers = 0 if self.batched else min(8, os.cpu_count() or 1)
        on_cuda = trainer is not None and trainer.strategy.root_device.type == "cuda"
        return DataLoader(
            self.splits[split],
            self.batch_size,
            sampler=EpochSampler(len(self.splits[split]), seed, epoch, rank, devices, even=split == "train"),
            drop_last=drop_last,
            num_workers=workers,
            collate_fn=self.collate,
            pin_memory=on_cuda if self.pin_memory is None else self.pin_memory,
            persistent_workers=workers > 0 if self.persistent_workers is None else self.persistent_workers,
            generator=torch.Generator().manual_seed(self.seed),  # or it would draw from the one that dropout uses
        )

    def training_batches(self) -> DataLoader:
        """All training examples once, on every device: what standardization learns from."""
        return DataLoader(self.splits["train"], max(self.batch_size, 1024), collate_fn=self.collate)

    def example(self) -> Tensor:
        """x of two training examples, (2, *input_shape)."""
        x = [torch.as_tensor(self.splits["train"][i % len(self.splits["train"])][0]) for i in range(2)]
        return torch.stack(x)

    def _lengths(self, size: int) -> list[int]:
        val, test = round(size * self.fractions[1]), round(size * self.fractions[2])
        lengths = [size - val - test, val, test]
        for split, length, fraction in zip(SPLITS, lengths, self.fractions, strict=True):
            if length < (fraction > 0 or split == "train"):
                raise ValueError(f"data.fractions={self.fractions} of {size} examples leave none for {split}.")
        return lengths

    def _classes(self, dataset: Any) -> list[str]:
        """The names that the dataset gives, or the numbers up to the largest."""
        if getattr(dataset, "classes", None) is not None:
            return list(map(str, dataset.classes))
        numbers = {int(torch.as_tensor(dataset[i][1])) for i in range(len(dataset))}
        if min(numbers) < 0:
            raise ValueError(f"The classes of data must be numbered from 0, but there is {min(numbers)}.")
        return list(map(str, range(max(numbers) + 1)))


def _as_tensor(name: str, value: Any) -> Tensor:
    """One x or y of a Dataset. Raises ValueError if it is no number or array of numbers."""
    try:
        if isinstance(value, (list, tuple, dict)):
            raise TypeError
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        numbers = "number the classes from 0, and name them in the Dataset's `classes`"
        hint = numbers if name == "y" else "make it a tensor"
        shown = repr(value) if isinstance(value, str) else f"a {type(value).__name__}"
        raise ValueError(f"data: {name} of an example is {shown}: {hint}.") from error


def _as_fetched(batch: Any) -> Any:
    """A batch that the Dataset has put together itself."""
    return batch
