"""The job that all contestants do, as Kindling is about to begin it."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import lightning as L
import torch
from torch import Tensor

from src.datamodule import DataModule, data_of
from src.datasets.prepared import Prepared
from src.datasets.sampling import EpochSampler
from src.module import SupervisedModule


class Split(NamedTuple):
    """The examples of a split on the run's device: x as the net reads it, y, and target as the loss reads y."""

    x: Tensor
    y: Tensor
    target: Tensor


@dataclass(frozen=True)
class Data:
    """The splits as tensors, in the order of the DataModule; val is None where there is none."""

    train: Split
    val: Split | None


class Job:
    """What a run is about to do, before its first step.

    Args:
        trainer: of a SupervisedModule that is set up, in its `on_train_start`.
        data: as tensors, of an earlier run with the same config; None: they are prepared.

    Attributes:
        parts: the module, its optimizer, and Lightning's configs of its schedules, to be copied.
        orders: indices of the training examples (N,), by epoch.
        batches: of an epoch; the last one may be smaller.
        validated: epochs, from 0, that ended with a validation, noted while the run goes on.
    """

    def __init__(self, trainer: L.Trainer, data: Data | None) -> None:
        module, datamodule = cast(SupervisedModule, trainer.lightning_module), data_of(trainer)
        self.device, plugin = module.device, trainer.precision_plugin
        self.data = data or Data(*(_prepared(split, module, datamodule, trainer) for split in ("train", "val")))
        self.precision, loading = str(trainer.precision), datamodule.loading
        self.forward_context: Callable[[], AbstractContextManager[Any]] = (
            nullcontext if self.precision == "32-true" else plugin.forward_context
        )
        self.epochs, self.batch_size = cast(int, trainer.max_epochs), loading.batch_size
        self.drop_last = loading.drop_last
        self.accumulate, self.clip = trainer.accumulate_grad_batches, trainer.gradient_clip_val
        self.clips_values = trainer.gradient_clip_algorithm == "value"
        self.validated: set[int] = set()
        examples = len(self.data.train.x)
        self.batches = examples // self.batch_size if self.drop_last else -(-examples // self.batch_size)
        self.examples = min(examples, self.batches * self.batch_size)
        sampler = EpochSampler(examples, datamodule.seed if loading.shuffle else None, 0, 1, even=True)
        self.orders = [self._order(sampler, epoch) for epoch in range(self.epochs)]
        self.threads = torch.get_num_threads()
        self.random = torch.get_rng_state(), _device_random(self.device)
        self.parts = copy.deepcopy((module, trainer.optimizers[0], trainer.lr_scheduler_configs))

    @property
    def steps(self) -> int:
        """Optimizer steps of an epoch."""
        return -(-self.batches // self.accumulate)

    def begin(self) -> tuple[SupervisedModule, Any, Any]:
        """A copy of the parts, and threads and random numbers as they were."""
        # torch counts the steps of an optimizer that has a schedule, but not those of its copy.
        warnings.filterwarnings("ignore", "Seems like `optimizer.step")
        torch.set_num_threads(self.threads)
        torch.set_rng_state(self.random[0])
        if self.random[1] is not None:
            torch.cuda.set_rng_state(self.random[1], self.device)
        return copy.deepcopy(self.parts)

    def _order(self, sampler: EpochSampler, epoch: int) -> Tensor:
        sampler.set_epoch(epoch)
        return torch.tensor(list(sampler), device=self.device)[: self.examples]


def synchronize(device: torch.device) -> None:
    """Wait until a device has done what it was asked for: before the clock is read."""
    if device.type != "cpu":
        torch.accelerator.synchronize()


def _prepared(split: str, module: SupervisedModule, data: DataModule, trainer: L.Trainer) -> Any:
    """A `Split`; None if it is empty."""
    parts = []
    for batch in data.loader(split) if len(data.splits[split]) else ():
        x, y = (part.to(module.device) for part in trainer.precision_plugin.convert_input(batch))
        parts.append((x if isinstance(batch, Prepared) else module.inputs(x), y, module.task.target(y)))
    return Split(*map(torch.cat, zip(*parts, strict=True))) if parts else None


def _device_random(device: torch.device) -> Tensor | None:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else None
