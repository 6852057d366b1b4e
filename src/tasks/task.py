"""What differs between regression, binary and multiclass: the loss, the answer, the metrics.

B examples, K values of a regression, C classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import MeanAbsoluteError, MeanSquaredError, Metric, MetricCollection, R2Score
from torchmetrics.classification import MulticlassAccuracy, MulticlassAUROC, MulticlassF1Score


@dataclass(frozen=True)
class Task:
    """
    Attributes:
        loss: scores and y -> the mean loss, a scalar.
        answer: scores -> predictions: (B, K) values, or (B, C) probabilities.
        metrics: K or C -> metrics of predictions and y, the telling one first.
    """

    loss: Callable[[Tensor, Tensor], Tensor]
    answer: Callable[[Tensor], Tensor]
    metrics: Callable[[int], dict[str, Metric]]


class PresentClassesAUROC(MulticlassAUROC):
    """The area under the ROC curve, one class against the rest, mean over those classes that y holds.

    torchmetrics counts a class that is absent from a small split as 0.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, average="none", validate_args=False)

    def compute(self) -> Tensor:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "No (positive|negative) samples")
            areas = super().compute()
        target = torch.cat(self.target) if isinstance(self.target, list) else self.target
        counts = torch.bincount(target.long(), minlength=self.num_classes)
        told_apart = (counts > 0) & (counts < len(target))
        return areas[told_apart].mean()  # nan if y holds one class only


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


class R2OfTwoOrMore(R2Score):
    """The share of the variance that is explained; nan for a single example, where torchmetrics raises an error."""

    def compute(self) -> Tensor:
        return super().compute() if self.total > 1 else torch.full_like(self.residual, torch.nan).mean()


def _regression_metrics(values: int) -> dict[str, Metric]:
    # Older torchmetrics want to be told how many values there are.
    count: dict[str, Any] = {"num_outputs": values} if "num_outputs" in signature(R2Score).parameters else {}
    return {
        "r2": R2OfTwoOrMore(**count),
        "rmse": MeanSquaredError(squared=False),
        "mae": MeanAbsoluteError(),
        "mse": MeanSquaredError(),
    }


def _class_metrics(classes: int) -> dict[str, Metric]:
    return {
        "accuracy": MulticlassAccuracy(classes, average="micro", validate_args=False),
        "f1": MulticlassF1Score(classes, average="macro", validate_args=False),
        "auroc": PresentClassesAUROC(classes),
    }


def _binary_answer(scores: Tensor) -> Tensor:
    positive = scores.sigmoid()  # (B, 1)
    return torch.cat([1 - positive, positive], dim=1)  # (B, 2)


TASKS = {
    "regression": Task(F.mse_loss, lambda scores: scores, _regression_metrics),
    "binary": Task(
        lambda scores, y: F.binary_cross_entropy_with_logits(scores.squeeze(1), y.to(scores.dtype)),
        _binary_answer,
        _class_metrics,
    ),
    "multiclass": Task(F.cross_entropy, lambda scores: scores.softmax(dim=1), _class_metrics),
}


class EpochScores(nn.Module):
    """Loss and metrics of one split over an epoch, named `split/metric`.

    Batches wait and are counted many at a time: to count each by itself takes longer than to train a small net on it.
    """

    def __init__(self, split: str, task: str, size: int) -> None:
        super().__init__()
        metrics: dict[str, Any] = TASKS[task].metrics(size)
        self.loss = MeanLoss()
        self.metrics = MetricCollection(metrics, prefix=f"{split}/", compute_groups=False)
        self.names = [f"{split}/{name}" for name in ("loss", *metrics)]
        self.waiting: list[tuple[Tensor, Tensor, Tensor]] = []

    def update(self, loss: Tensor, predictions: Tensor, y: Tensor) -> None:
        self.waiting.append((loss, predictions, y))
        if len(self.waiting) == 64:
            self._count()

    def compute(self) -> dict[str, Tensor]:
        """The epoch's scores; starts anew. The AUROC of one class, and the R2 of one example, are nan.

        Raises:
            FloatingPointError: the loss is nan or infinite.
        """
        self._count()
        loss = self.loss.compute()
        if not loss.isfinite():
            raise FloatingPointError(f"{self.names[0]} is {loss.item()}")
        scores = {self.names[0]: loss, **self.metrics.compute()}
        self.loss.reset()
        self.metrics.reset()
        return {name: scores[name] for name in self.names}

    def _count(self) -> None:
        if not self.waiting:
            return
        losses, predictions, targets = zip(*self.waiting, strict=True)
        self.waiting = []
        self.loss.update(torch.stack(losses), torch.tensor([len(y) for y in targets], device=losses[0].device))
        self.metrics.update(torch.cat(predictions), torch.cat(targets))
