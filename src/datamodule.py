"""The one LightningDataModule: Dataset -> random_split -> DataLoaders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

import lightning as L
import numpy as np
import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.utils.data import DataLoader

from src.config.build import build, in_terms_of, locate
from src.config.check import check_parameters
from src.console.messages import UserError
from src.datasets.contract import LearnsFromTraining, ReadsTarget, offer_of
from src.datasets.description import DataDescription, describe
from src.datasets.loader import Loader
from src.datasets.loading import Loading, collate_of
from src.datasets.prepared import Prepared, PreparedLoader, PreparedSplit, fits
from src.datasets.random_split import SPLITS
from src.datasets.sampling import EpochSampler, SplitSubset, TrainingSubset
from src.datasets.splits import Splitting, split_digest


class DataModule(L.LightningDataModule):
    """Loads a dataset once, splits it with a seed of its own, hands out batches (x, y).

    After `setup` it knows its `splits` and the `description` of the data.

    Args:
        dataset: spec of a function that returns a Dataset of (x, y): y float (K,) or (), or a class number. What else
            it may offer stands in src/datasets/contract.py.
        task: spec of the task, which may say how the Dataset is to read y.
        seed: of the training order and of random changes; that of the split is its own.
        fractions, split_seed, stratify, folds, fold: see `Splitting`.
        batch_size, shuffle, drop_last, num_workers, pin_memory, persistent_workers, timeout: see `Loading`.
        options: every other key of `data`, for the dataset's function.

    Raises:
        UserError: a number out of its range, or a split that leaves a part without examples.
    """

    def __init__(
        self,
        dataset: dict[str, Any],
        task: dict[str, Any],
        seed: int,
        fractions: list[float],
        split_seed: int | None,
        stratify: bool,
        folds: int | None,
        fold: int | None,
        batch_size: int | Literal["auto"],
        shuffle: bool,
        drop_last: bool,
        num_workers: int | None,
        pin_memory: bool | None,
        persistent_workers: bool | None,
        timeout: float | None,
        **options: Any,
    ) -> None:
        super().__init__()
        check_parameters("data", dataset["_target_"], options)
        if not 0 <= seed < 2**32:
            raise UserError(f"seed={seed}: a seed is from 0 to {2**32 - 1}.")
        self.spec, self.seed = {**dataset, **options}, seed
        self.target_kind = getattr(locate("task", task["_target_"]), "target_kind", None)
        self.splitting = Splitting(fractions, split_seed, stratify, folds, fold)
        self.loading = Loading(batch_size, shuffle, drop_last, num_workers, pin_memory, persistent_workers, timeout)
        self.splits: dict[str, SplitSubset] = {}
        self.flops: float | None = None  # of the net, for an example
        self.prepare: Callable[[Tensor, Tensor], Prepared] | None = None
        self.prepared: dict[str, PreparedSplit] = {}
        self.trained_on: DataDescription | None = None
        self.all_for_test = False
        self.split_of_run: str | None = None

    def continue_from(self, checkpoint: Mapping[str, Any], all_for_test: bool) -> None:
        """Before `setup`: prepare and split the examples as the run that has left this checkpoint.

        `all_for_test`: that run has seen none of these.
        """
        state = checkpoint[type(self).__qualname__]
        self.trained_on, self.all_for_test = DataDescription.of(state["description"]), all_for_test
        self.split_of_run = None if all_for_test else state["split"]

    def setup(self, stage: str) -> None:
        if self.splits:  # for fit, validate and test alike
            return
        with in_terms_of("", {key: f"data.{key}" for key in (*self.spec, "fractions", "folds", "fold", "stratify")}):
            self.dataset = self._dataset()
            self.offer = offer_of(self.dataset)
            indices = self._indices()
            if self.trained_on is None and isinstance(self.dataset, LearnsFromTraining):
                self.dataset.fit(indices["train"])
            self.splits = {split: SplitSubset(self.dataset, indices[split]) for split in SPLITS}
            self.loading = self.loading.sized_for(len(indices["train"]) or len(indices["test"]))
            self.split_digest = split_digest(indices)
            self.description = describe(self.dataset, self.offer, self.target_kind)
        if self.trained_on is not None:
            self.trained_on.check_same(self.description)
            is_same = self.trained_on.fingerprint == self.description.fingerprint
            if is_same and self.split_of_run not in (None, self.split_digest):
                raise UserError("Split so, the run would be scored on examples that it has learnt from.")
        devices = self.trainer.world_size if self.trainer else 1
        for split, subset in self.splits.items():
            if 0 < len(subset) < devices:
                raise UserError(f"trainer.devices={devices}: {len(subset)} {split} examples are too few to share.")

    def _dataset(self) -> Any:
        """The Dataset, its target read; x is prepared as a finished run does, if there is one."""
        dataset, run = build(self.spec, "data"), self.trained_on
        if run is not None and isinstance(dataset, LearnsFromTraining):
            dataset.restore(run.reader)
        if isinstance(dataset, ReadsTarget):
            kind, classes = (None, None) if run is None else (run.target_kind, run.classes)
            dataset.read_target(self.target_kind or kind, classes)
        return dataset

    def _indices(self) -> dict[str, Tensor]:
        if self.all_for_test:
            return {"train": torch.arange(0), "val": torch.arange(0), "test": torch.arange(len(self.dataset))}
        return self.splitting.indices(self.dataset, self.offer)

    def state_dict(self) -> dict[str, Any]:
        """What the data teach is in every checkpoint, whichever the module."""
        return {"description": self.description.plain(), "split": self.split_digest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        before = DataDescription.of(state_dict["description"])
        if before.fingerprint != self.description.fingerprint:
            raise UserError(
                f"{self.source} has changed since this run began, and a run learns from one state of its data. "
                "Put the data back as they were, or choose another name= for a new run."
            )
        before.check_same(self.description)

    def teardown(self, stage: str) -> None:
        """Forget what was prepared: the next module may standardize otherwise."""
        for split in self.prepared.values():  # loaders that still know of it hold no memory
            split.held = None
        self.prepare, self.prepared = None, {}

    @property
    def source(self) -> str:
        """Where the data come from, in the user's words: data.path=house.csv, if there are files."""
        paths = [f"data.{key}={value}" for key, value in self.spec.items() if key.endswith(("path", "url")) and value]
        return ", ".join(paths) or f"data.dataset._target_={self.spec['_target_']}"

    # --- batches ---------------------------------------------------------------------------------------------------

    def train_dataloader(self) -> DataLoader:
        assert self.trainer is not None
        loading, size = self.loading, len(self.splits["train"])
        if loading.drop_last and size // self.trainer.world_size < loading.batch_size:
            raise UserError(
                f"data.batch_size={loading.batch_size} with data.drop_last=true leaves nothing of {size} training "
                "examples."
            )
        loader = self.loader("train", self.seed if loading.shuffle else None, loading.drop_last, trains=True)
        self.training_order = cast(EpochSampler, loader.sampler)
        return loader

    def skip_batches(self, count: int, epoch: int) -> None:
        """Begin an epoch of training, both from 0, with its batch `count`."""
        self.training_order.skip(count * self.loading.batch_size, epoch)

    def val_dataloader(self) -> DataLoader | list[DataLoader]:
        return self.loader("val") if self.splits["val"] else []

    def test_dataloader(self) -> DataLoader | list[DataLoader]:
        return self.loader("test") if self.splits["test"] else []

    def loader(self, split: str, seed: int | None = None, drop_last: bool = False, trains: bool = False) -> DataLoader:
        """Batches of this device's share of a split, in order, or shuffled by `seed` and epoch.

        `trains`: the examples are changed at random, if the Dataset does so.
        """
        loading, trainer, workers = self.loading, self.trainer, self.loading.workers(self.offer)
        rank, devices = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        on_cuda = trainer is not None and trainer.strategy.root_device.type == "cuda"
        subset, augment = self.splits[split], trains and self.offer.augmented is not None
        by_epoch = augment or (trains and workers > 0)
        is_many = not trains and self.flops is not None and self.offer.fetches_batches
        size = loading.evaluated_at_once(self.flops or 0) if is_many else loading.batch_size
        sampler = EpochSampler(len(subset), seed, rank, devices, even=split == "train", with_epoch=by_epoch)
        if not by_epoch and workers == 0 and (prepared := self._prepared(split)):
            return PreparedLoader(prepared, size, sampler=sampler, drop_last=drop_last)
        seeded = SplitSubset(self.dataset, subset.indices, self.seed)
        return Loader(
            TrainingSubset(subset, self.seed, augment) if by_epoch else seeded,
            size,
            sampler=sampler,
            drop_last=drop_last,
            collate_fn=collate_of(self.offer, one_by_one=augment),
            pin_memory=on_cuda if loading.pin_memory is None else loading.pin_memory,
            persistent_workers=workers > 0 if loading.persistent_workers is None else loading.persistent_workers,
            generator=torch.Generator().manual_seed(self.seed),  # or it would draw from the one that dropout uses
            **loading.processes(self.offer),
        )

    def _prepared(self, split: str) -> PreparedSplit | None:
        """The split as `prepare` makes it for a fit, if the data are in memory and there is room for it."""
        if self.prepare is None or self.trainer is None or self.trainer.state.fn != TrainerFn.FITTING:
            return None
        tensors = self.offer.in_memory() if self.offer.in_memory else None
        if tensors is None or not fits(tensors[0], self.splits[split], self.trainer.strategy.root_device):
            return None
        return self.prepared.setdefault(split, PreparedSplit(*tensors, self.splits[split], self.prepare))

    def training_batches(self) -> DataLoader:
        """All training examples once, on every device: what standardization learns from."""
        size = max(self.loading.batch_size, 1024) if self.offer.fetches_batches else self.loading.batch_size
        subset = self.splits["train"]
        rows = torch.from_numpy(np.sort(subset.indices.numpy()))  # files are read fastest so
        ordered = SplitSubset(self.dataset, rows)
        return Loader(ordered, size, collate_fn=collate_of(self.offer), **self.loading.processes(self.offer))

    def examples(self, split: str = "train", count: int = 2) -> tuple[Tensor, Tensor]:
        """x (B, ...) and y (B, ...) of the first examples of a split; the last one is repeated up to two."""
        subset = self.splits[split]
        wanted = [min(i, len(subset) - 1) for i in range(max(2, min(count, len(subset))))]
        return collate_of(self.offer, one_by_one=True)([subset[i] for i in wanted])


def datamodule_of(trainer: L.Trainer) -> DataModule | None:
    """The DataModule that `trainer` works with; None where it was given loaders alone."""
    return cast(Any, trainer).datamodule


def data_of(trainer: L.Trainer) -> DataModule:
    """The DataModule that `trainer` works with."""
    data = datamodule_of(trainer)
    assert data is not None
    return data


def description_in(checkpoint: Mapping[str, Any]) -> DataDescription:
    """What the data taught the run that has left this checkpoint."""
    return DataDescription.of(checkpoint[DataModule.__qualname__]["description"])
