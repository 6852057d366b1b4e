"""Metrics of torchmetrics that stay meaningful on small splits."""

from __future__ import annotations

import warnings
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from torchmetrics import R2Score
from torchmetrics.classification import MulticlassAUROC, MultilabelAUROC


class PresentClassesAUROC(MulticlassAUROC):
    """The area under the ROC curve, one class against the rest, mean over those classes that y holds.

    torchmetrics counts a class that is absent from a small split as 0.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, average="none", validate_args=False)

    def compute(self) -> Tensor:
        """The mean; nan if y holds one class only."""
        counts = _joined(self.target).long().bincount(minlength=self.num_classes)
        return _mean_where_known(_quietly(super().compute), counts, int(counts.sum()))


class PresentLabelsAUROC(MultilabelAUROC):
    """The area under the ROC curve, mean over those labels that apply to some examples, and not to all."""

    def __init__(self, num_labels: int) -> None:
        super().__init__(num_labels, average="none", validate_args=False)

    def compute(self) -> Tensor:
        """The mean; nan if there is no such label."""
        target = _joined(self.target)
        return _mean_where_known(_quietly(super().compute), target.sum(dim=0), len(target))


class R2OfTwoOrMore(R2Score):
    """The share of the variance that is explained; nan for a single example, where torchmetrics raises an error."""

    def __init__(self, values: int) -> None:
        # Older torchmetrics have to know how many values there are.
        count: dict[str, Any] = {"num_outputs": values} if "num_outputs" in signature(R2Score).parameters else {}
        super().__init__(**count)

    def compute(self) -> Tensor:
        return super().compute() if self.total > 1 else torch.full_like(self.residual, torch.nan).mean()


def _joined(batches: Any) -> Tensor:
    return torch.cat(batches) if isinstance(batches, list) else batches


def _quietly(compute: Any) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No (positive|negative) samples")
        return compute()


def _mean_where_known(areas: Tensor, counts: Tensor, examples: int) -> Tensor:
    """The mean of the areas of what applies to some of the examples, and not to all."""
    return areas.reshape(-1)[(counts > 0) & (counts < examples)].mean()
