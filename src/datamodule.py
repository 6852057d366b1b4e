"""The one LightningDataModule: Dataset -> random_split -> DataLoaders."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from typing import Any, cast

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from src.config.build import build, check_parameters
from src.datasets.sampling import Augmented, EpochSampler, Part
from src.datasets.splits import SPLITS, random_split


class DataModule(L.LightningDataModule):
    """Loads a dataset once, splits it with a seed of its own, hands out batches (x, y).

    After `setup` it knows `task`, `input_shape`, `output_size`, `classes`, `target`, the name of y, `targets`, those
    of its values, and `reader`, the spec of what reads new inputs for a finished run.

    Args:
        dataset: spec of a function that returns a Dataset of (x, y): y float (K,) or (), or a class number. What else
            it may have: `__getitems__(indices)` fetches whole batches; `classes` names the classes, `target` y and
            `targets` its values; `labels` (N,) are all class numbers, `groups` (N,) say what belongs together,
            `splits` are indices by split, ready-made; `fit(indices)` learns, from the training examples alone, how x
            is prepared, `reader` keeps that for new inputs, and `use(reader, task, classes)` takes it from a finished
            run; `augments`, and `augmented(index, generator)`, an example changed at random.
        fractions: of train, val and test; they add up to 1. 0 for val or test leaves that part, and its scores, out.
        split_seed: of the split; None: in the data's own order. `seed` is that of the training order.
        stratify: every part gets its share of each class.
        folds: for cross-validation: the test split is one of so many equal parts (val, where the data bring a test
            split of their own).
        fold: which of them, from 0.
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
        stratify: bool = False,
        folds: int | None = None,
        fold: int | None = None,
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
        if folds is not None and folds < 2:
            raise ValueError(f"data.folds={folds}: at least 2.")
        if (folds is None) != (fold is None):
            given, lacking = ("folds", "fold") if fold is None else ("fold", "folds")
            raise ValueError(f"data.{given} goes with data.{lacking}, such as data.folds=5 data.fold=0.")
        if folds is not None and fold is not None and not 0 <= fold < folds:
            raise ValueError(f"data.fold={fold}: of data.folds={folds} the last is {folds - 1}, the first 0.")
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
        self.stratify, self.folds, self.fold = stratify, folds, fold
        self.batch_size, self.shuffle, self.drop_last = batch_size, shuffle, drop_last
        self.num_workers, self.pin_memory, self.persistent_workers = (
            num_workers,
            pin_memory,
            persistent_workers,
        )
        self.splits: dict[str, Part] = {}
        self.learnt: Mapping[str, Any] | None = None
        self.are_new = False

    def adopt(self, learnt: Mapping[str, Any], are_new: bool) -> None:
        """Before `setup`: prepare the examples as a finished run does, whose module's hyperparameters are `learnt`.

        `are_new`: to that run, which has seen none of them: all are for the test.
        """
        self.learnt, self.are_new = learnt, are_new

    def setup(self, stage: str) -> None:
        if self.splits:  # for fit, validate and test alike
            return
        dataset = build({**self.dataset, **self.options})
        parts = self._split(dataset)
        self.splits = {split: Part(dataset, cast(Any, parts[split])) for split in SPLITS}
        devices = self.trainer.world_size if self.trainer else 1
        for split, part in self.splits.items():
            if 0 < len(part) < devices:
                raise ValueError(f"trainer.devices={devices}: {len(part)} {split} examples are too few to share.")
        if self.learnt and hasattr(dataset, "use"):
            dataset.use(*(self.learnt[key] for key in ("reader", "task", "classes")))
        elif hasattr(dataset, "fit"):
            dataset.fit(parts["train"])
        self.batched = hasattr(dataset, "__getitems__")
        self.collate = _as_fetched if self.batched else default_collate

        example = next(part for part in self.splits.values() if len(part))[0]
        x, y = (_as_tensor(name, value) for name, value in zip("xy", example, strict=True))
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
        self.target = getattr(dataset, "target", "y")
        numbered = [f"{self.target}[{i}]" for i in range(y.numel())]
        self.targets = getattr(
            dataset, "targets", numbered if self.task == "regression" and y.numel() > 1 else [self.target]
        )
        any_array = {
            "_target_": "src.datasets.arrays.arrays.ArrayReader",
            "shape": list(x.shape),
            "indices": x.dtype == torch.int64,
        }
        self.reader = getattr(dataset, "reader", None) or any_array

    def _split(self, dataset: Any) -> dict[str, Tensor]:
        if self.are_new:
            return {"train": torch.arange(0), "val": torch.arange(0), "test": torch.arange(len(dataset))}
        labels, groups = None, getattr(dataset, "groups", None)
        if self.stratify:
            if groups is not None:
                raise ValueError("data.stratify=true data.group_column=...: only one of them can shape the split.")
            labels = _labels(dataset)
            _check_shares(labels, getattr(dataset, "classes", None))
        ready = getattr(dataset, "splits", None)
        fold = None if self.fold is None or self.folds is None else (self.fold, self.folds)
        return random_split(len(dataset), self.fractions, self.split_seed, labels, groups, fold, ready)

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
        return self.loader("train", self.seed if self.shuffle else None, epoch, self.drop_last, augment=True)

    def val_dataloader(self) -> DataLoader | list[DataLoader]:
        return self.loader("val") if self.splits["val"] else []

    def test_dataloader(self) -> DataLoader | list[DataLoader]:
        return self.loader("test") if self.splits["test"] else []

    def loader(
        self, split: str, seed: int | None = None, epoch: int = 0, drop_last: bool = False, augment: bool = False
    ) -> DataLoader:
        """Batches of this device's share of a split, in order, or shuffled by `seed` and epoch.

        `augment`: the examples are changed at random, if the Dataset does so.
        """
        trainer = self.trainer
        rank, devices = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        workers = self._workers()
        on_cuda = trainer is not None and trainer.strategy.root_device.type == "cuda"
        part = self.splits[split]
        augment = augment and getattr(part.dataset, "augments", False)
        return DataLoader(
            Augmented(part, self.seed) if augment else part,
            self.batch_size,
            sampler=EpochSampler(len(part), seed, epoch, rank, devices, even=split == "train", with_epoch=augment),
            drop_last=drop_last,
            num_workers=workers,
            collate_fn=default_collate if augment else self.collate,
            pin_memory=on_cuda if self.pin_memory is None else self.pin_memory,
            persistent_workers=workers > 0 if self.persistent_workers is None else self.persistent_workers,
            generator=torch.Generator().manual_seed(self.seed),  # or it would draw from the one that dropout uses
        )

    def training_batches(self) -> DataLoader:
        """All training examples once, on every device: what standardization learns from."""
        size = max(self.batch_size, 1024) if self.batched else self.batch_size
        part = self.splits["train"]
        ordered = Part(part.dataset, cast(Any, cast(Tensor, part.indices).sort().values))  # files are read fastest so
        return DataLoader(ordered, size, collate_fn=self.collate, num_workers=self._workers())

    def _workers(self) -> int:
        if self.num_workers is not None:
            return self.num_workers
        return 0 if self.batched else min(8, os.cpu_count() or 1)

    def fingerprint(self) -> str:
        """The same for the same examples, in the same order."""
        dataset = self.splits["train"].dataset
        size = len(cast(Any, dataset))
        digest = hashlib.sha256(str(size).encode())
        for i in range(0, size, -(-size // 16)):
            for value in dataset[i]:
                digest.update(torch.as_tensor(value).numpy().tobytes())
        return digest.hexdigest()

    def example(self) -> Tensor:
        """x of two training examples, (2, *input_shape)."""
        x = [torch.as_tensor(self.splits["train"][i % len(self.splits["train"])][0]) for i in range(2)]
        return torch.stack(x)

    def _classes(self, dataset: Any) -> list[str]:
        """The names that the dataset gives, or the numbers up to the largest."""
        if getattr(dataset, "classes", None) is not None:
            return list(map(str, dataset.classes))
        least, most = (int(number) for number in _labels(dataset).aminmax())
        if least < 0:
            raise ValueError(f"The classes of data must be numbered from 0, but there is {least}.")
        return list(map(str, range(most + 1)))


def _labels(dataset: Any) -> Tensor:
    """The class numbers of all examples, (N,)."""
    labels = getattr(dataset, "labels", None)
    if labels is None:
        labels = torch.stack([_as_tensor("y", dataset[i][1]).reshape(()) for i in range(len(dataset))])
    return labels


def _check_shares(labels: Tensor, classes: list[str] | None) -> None:
    """Raise ValueError if they are no classes, or one of them has a single example."""
    if labels.is_floating_point():
        raise ValueError("data.stratify=true shares out classes, but this target is a number.")
    numbers, counts = labels.unique(return_counts=True)
    if counts.min() < 2:
        number = int(numbers[counts.argmin()])
        name = classes[number] if classes else number
        raise ValueError(f"data.stratify=true: there is one example of class {name}, which cannot be shared out.")


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
