"""Loss and metrics of one split over an epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from lightning.fabric.utilities import move_data_to_device
from torch import Tensor, nn
from torchmetrics import Metric

from src.learning.metrics import Mode
from src.tasks import Task

WAITING = 64  # batches that are counted at once
MOST = 2**24  # predicted numbers that wait: those for each pixel of an image would fill the memory
ROOM = range(2**9, 2**16)  # of them, in a batch that is kept in room set aside; smaller ones leave small gaps


class MeanLoss(Metric):
    """The mean loss over examples. torchmetrics' own mean leaves out nan, which must not go unseen."""

    total: Tensor
    examples: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("examples", torch.zeros(()), dist_reduce_fx="sum")

    def update(self, losses: Tensor, sizes: Tensor) -> None:
        """Mean losses of batches, and how many examples each has."""
        self.total += (losses * sizes).sum()
        self.examples += sizes.sum()

    def compute(self) -> Tensor:
        return self.total / self.examples


class Room:
    """Room on the CPU for batches that wait, set aside once.

    Small tensors that are kept lie where the net's large ones lay before, and what they leave free between them is too
    small for the next: so 64 batches would take hundreds of MB.
    """

    def __init__(self, batch: tuple[Tensor, ...]) -> None:
        with torch.inference_mode(False):  # or it could be used in this mode alone
            self.places = [torch.empty(WAITING, *part.shape, dtype=part.dtype).unbind() for part in batch]

    def keep(self, batch: tuple[Tensor, ...], number: int) -> tuple[Tensor, ...]:
        """A batch in the place of this number; itself if it has another shape or type than the first."""
        kept = []
        for of_part, part in zip(self.places, batch, strict=True):
            place = of_part[number]
            if place.shape != part.shape or place.dtype != part.dtype:
                return batch
            kept.append(place.copy_(part))
        return tuple(kept)


class EpochMetrics(nn.Module):
    """Loss and metrics of one split over an epoch, named `split/metric`.

    Batches wait as they are, and become predictions that are counted many at a time: to do that with each by itself
    takes longer than to train a small net on it.

    Attributes:
        names: of all of them, the loss first.
        metrics: by name, without the split.
    """

    def __init__(self, split: str, metrics: dict[str, Metric], task: Task) -> None:
        super().__init__()
        self.loss = MeanLoss()
        self.metrics = metrics
        self.parts = nn.ModuleList(metrics.values())  # not by name: that of a part of a module may hold no dot
        self.names = [f"{split}/{name}" for name in ("loss", *metrics)]
        self.predictions, self.truth = task.predictions, task.truth  # not the task, which is a part of another module
        self.waiting: list[tuple[Tensor, ...]] = []
        self.room: Room | None = None
        self.look: Callable[[list[tuple[Tensor, Tensor]]], None] | None = None
        self.kept: list[tuple[Tensor, Tensor]] = []

    def update(self, loss: Tensor, outputs: Tensor, y: Tensor) -> None:
        """Take in a batch's mean loss, outputs (B, ...) and y (B, ...), without gradients.

        Raises:
            FloatingPointError: the loss is nan or infinite; on a GPU, which would have to wait for each number, only
                when batches are counted.
        """
        self.waiting.append(self._kept((loss, outputs, y)))
        if loss.is_cpu and not math.isfinite(loss.item()):
            self._check_finite([loss])
        if len(self.waiting) == WAITING or len(self.waiting) * outputs.numel() > MOST:
            self._count()

    def compute(self) -> dict[str, Tensor]:
        """The epoch's loss and metrics; starts anew. A metric that the examples do not determine is nan.

        Raises:
            FloatingPointError: the loss is nan or infinite.
        """
        self._count()
        if self.look is not None:
            self.look(self.kept)
            while self.kept:
                self._count_predictions(*(part.to(self.loss.total.device) for part in self.kept.pop(0)))
        metrics = (self.loss, *self.metrics.values())
        values = [metric.compute() for metric in metrics]
        for metric in metrics:
            metric.reset()
        return dict(zip(self.names, values, strict=True))

    def forget(self) -> None:
        """Start anew, and compute nothing. Raises FloatingPointError as `compute`."""
        if self.waiting and not self.waiting[0][0].is_cpu:
            self._check_finite([loss for loss, _, _ in self.waiting])
        self.waiting = []
        for metric in (self.loss, *self.metrics.values()):
            if metric.update_called:
                metric.reset()

    @contextmanager
    def before_counting(self, look: Callable[[list[tuple[Tensor, Tensor]]], None]) -> Iterator[None]:
        """Inside it `look` is given outputs and y of the epoch, on the CPU, before they become predictions."""
        self.look = look
        try:
            yield
        finally:
            self.look, self.kept = None, []

    def mode(self, name: str) -> Mode | None:
        """Whether a smaller or a larger value of `name` is better; None if its metric does not say."""
        if name == self.names[0]:
            return "min"
        higher_is_better = self.metrics[name.partition("/")[2]].higher_is_better
        return None if higher_is_better is None else "max" if higher_is_better else "min"

    def _kept(self, batch: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, ...]:
        """A batch, where there is room for many: a single one of an epoch needs none."""
        if not self.waiting or batch[1].numel() not in ROOM or not all(part.is_cpu for part in batch):
            return batch
        self.room = self.room or Room(batch)
        return self.room.keep(batch, len(self.waiting))

    def _count(self) -> None:
        if not self.waiting:
            return
        losses, outputs, ys = zip(*self.waiting, strict=True)
        self._check_finite(losses)
        self.waiting = []
        self.loss.update(torch.stack(losses), torch.tensor([len(y) for y in ys], device=losses[0].device))
        all_outputs, y = torch.cat(outputs).float(), torch.cat(ys)
        if self.look is not None:
            self.kept.append((all_outputs.cpu(), y.cpu()))
        else:
            self._count_predictions(all_outputs, y)

    def _count_predictions(self, outputs: Tensor, y: Tensor) -> None:
        predictions, truth = self.predictions(outputs), self.truth(y)
        for metric in self.metrics.values():
            metric.update(predictions, truth)

    def _check_finite(self, losses: Sequence[Tensor]) -> None:
        """Raise FloatingPointError that says which loss is nan or infinite, and how many batches ago it was."""
        finite = torch.stack(list(losses)).isfinite()
        if not finite.all():
            first = int(finite.int().argmin())
            raise FloatingPointError(f"{self.names[0]} is {losses[first].item()}", len(losses) - 1 - first)

    def counted_so_far(self) -> dict[str, Any]:
        """What an epoch has counted, as plain data for a checkpoint; `go_on_from` brings it back."""
        counted = {
            name: {key: getattr(metric, key) for key in (*metric._defaults, "_update_count")}
            for name, metric in self.named_modules()
            if isinstance(metric, Metric)
        }
        waiting = [[part.clone() for part in batch] for batch in self.waiting]  # or all their room would be saved
        return {"waiting": waiting, "counted": counted}

    def go_on_from(self, state: dict[str, Any], device: torch.device) -> None:
        """Count on from what `counted_so_far` has given."""
        state = move_data_to_device(state, device)
        self.waiting = [tuple(batch) for batch in state["waiting"]]
        for name, values in state["counted"].items():
            for key, value in values.items():
                setattr(self.get_submodule(name), key, value)
