"""What differs between regression, binary and multiclass: the loss, the answer, the metrics.

B examples, K values of a regression, C classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import MeanAbsoluteError, MeanSquaredError, Metric, R2Score
from torchmetrics.classification import MulticlassAccuracy, MulticlassAUROC, MulticlassF1Score


@dataclass(frozen=True)
class Task:
    """
    Attributes:
        loss: scores and y -> the mean loss, a scalar.
        answer: scores -> predictions: (B, K) values, or (B, C) probabilities.
        metrics: the number of classes -> metrics of predictions and y, the telling one first.
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


def _regression_metrics(_: int) -> dict[str, Metric]:
    return {
        "r2": R2Score(),
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
