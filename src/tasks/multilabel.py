"""Of several labels each applies or does not."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric
from torchmetrics.classification import (
    BinaryF1Score,
    MultilabelAccuracy,
    MultilabelExactMatch,
    MultilabelF1Score,
)

from src.console.messages import UserError
from src.datasets.description import DataDescription
from src.tasks.counts import LabelCounts
from src.tasks.metrics import PresentAUROC
from src.tasks.task import Task, rounded


class MultiLabel(Task):
    """Probabilities (B, K), each of its own label; y is 1 or 0 for each. The loss is binary cross-entropy.

    Args:
        threshold: the probability, in (0, 1), above which a label counts as predicted.

    Raises:
        UserError: a threshold out of its range.
    """

    target_kind = "labels"
    has_probabilities = True

    def __init__(self, data: DataDescription, threshold: float) -> None:
        if not 0 < threshold < 1:
            raise UserError(f"threshold={threshold}: a probability between 0 and 1 is needed.")
        super().__init__(data, max(1, math.prod(data.target_shape)))
        self.threshold, self.labels = threshold, data.targets
        self.metric_parameters = {"task": "multilabel", "num_labels": self.output_size, "threshold": threshold}
        self.dear = ("auroc",)

    def summary(self) -> tuple[str, str]:
        return "multilabel", "1 label" if self.output_size == 1 else f"{self.output_size} labels"

    def truth(self, y: Tensor) -> Tensor:
        y = y.reshape(len(y), -1)  # (B, K)
        labels = (y != 0).long()
        if not torch.equal(labels, y.long()):
            raise UserError(f"A label is 1 where it applies and 0 where it does not, but y holds {y.max():g}.")
        return labels

    def target(self, y: Tensor) -> Tensor:
        return y.reshape(len(y), -1).to(torch.get_default_dtype())  # `truth` checks it, of many batches at once

    def loss(self, outputs: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs, target.to(outputs.dtype), pos_weight=weight)

    def predictions(self, outputs: Tensor) -> Tensor:
        return (outputs / self.temperature).sigmoid()

    def metrics(self) -> dict[str, Metric]:
        count, options = self.output_size, {"threshold": self.threshold, "validate_args": False}
        return {
            "f1": MultilabelF1Score(count, average="macro", **options),
            "accuracy": MultilabelAccuracy(count, average="macro", **options),
            "exact": MultilabelExactMatch(count, **options),
            "auroc": PresentAUROC(count),
            **{f"f1_{name}": _F1OfLabel(k, self.threshold) for k, name in enumerate(self.labels)},
        }

    def columns(self, predictions: Tensor, x: Tensor) -> dict[str, Any]:
        values = rounded(predictions)
        columns = {}
        for k, name in enumerate(self.labels):
            columns[f"predicted_{name}"] = (values[:, k] > self.threshold).astype(int)
            columns[f"probability_{name}"] = values[:, k]
        return columns

    def counts(self) -> LabelCounts:
        return LabelCounts(self.output_size)


class _F1OfLabel(BinaryF1Score):
    """The F1 score of one column of predictions and truth (B, K)."""

    def __init__(self, label: int, threshold: float) -> None:
        super().__init__(threshold, validate_args=False)
        self.label = label

    def update(self, preds: Tensor, target: Tensor) -> None:
        super().update(preds[:, self.label], target[:, self.label])
