"""Metrics of torchmetrics that stay meaningful on small splits, and within memory on large ones."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric
from torchmetrics.functional.classification import multilabel_auroc

from src.console.screen import notice

EXACT = 2**22  # probabilities that an AUROC keeps: to sort them takes 0.2 GB, and a second or two
BINS = 1024
PIECE = 2**16  # examples that are binned at once
LARGEST = 17.0  # log-odds: as near to 1 as a float32 can be


class PresentAUROC(Metric):
    """The area under the ROC curve, mean over those of K classes or labels that apply to some examples, not to all.

    torchmetrics counts a class that is absent from a small split as 0. Up to `EXACT` probabilities are kept, and the
    area is exact. Of more of them each class or label has a histogram of log-odds, whose bins tell probabilities near 0
    apart too, which are all that a rare class has.
    """

    higher_is_better = True
    preds: Any
    target: Any
    histograms: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        self.add_state("preds", [], dist_reduce_fx="cat")
        self.add_state("target", [], dist_reduce_fx="cat")
        self.add_state("histograms", torch.zeros(count, 2, BINS, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Probabilities (N, K) and class numbers (N,) or labels (N, K)."""
        self.preds.append(preds)
        self.target.append(target)
        if sum(kept.numel() for kept in self.preds) > EXACT:
            self._fold(self.preds, self.target)

    def compute(self) -> Tensor:
        """The mean; nan if no class or label applies to some examples, and not to all."""
        preds, target = _joined(self.preds), _joined(self.target)
        if preds.numel() > EXACT or self.histograms.any():  # several devices may have kept more together
            self._fold(preds.split(PIECE), target.split(PIECE))
            areas, counts, examples = _areas(self.histograms.cpu())
        else:
            labels = self._labels(target)
            areas = _quietly(multilabel_auroc, preds, labels, self.count, average="none", validate_args=False)
            areas, counts, examples = areas.reshape(-1), labels.sum(dim=0), len(labels)
        return areas[(counts > 0) & (counts < examples)].mean()

    def _labels(self, target: Tensor) -> Tensor:
        return target if target.dim() == 2 else F.one_hot(target, self.count)  # (N, K)

    def _fold(self, preds: Sequence[Tensor], target: Sequence[Tensor]) -> None:
        """Count probabilities in the histograms, and keep them no longer."""
        _say_binned()
        for some, of_some in zip(preds, target, strict=True):  # all at once would take ten times their memory
            places = (some.logit() / LARGEST + 1).clamp(0, 2) * ((BINS - 1) / 2)  # (N, K), from 0 to BINS - 1
            histogram = 2 * torch.arange(self.count, device=some.device) + self._labels(of_some)  # (N, K)
            counts = (histogram * BINS + places.round().long()).flatten().bincount(minlength=self.histograms.numel())
            self.histograms = self.histograms + counts.reshape(self.histograms.shape)
        self.preds, self.target = [preds[0][:0]], [target[0][:0]]  # of this shape: devices exchange them


class R2(Metric):
    """The share of the variance that is explained, mean over those of K values that vary; nan where none does.

    Deviations are counted from the mean of each batch (Chan, Golub & LeVeque 1983). torchmetrics counts squares, in
    which those of values far from 0 are lost, and takes sums below 1e-4 for nothing: an R2 of 1 for all small values.
    """

    higher_is_better = True
    examples: Tensor
    mean: Tensor
    squares: Tensor
    errors: Tensor  # their squares; not `residual`, which checkpoints from before hold for torchmetrics' R2

    def __init__(self, values: int) -> None:
        super().__init__()
        self.add_state("examples", torch.tensor(0), dist_reduce_fx=None)  # of several devices: a row for each
        for name in ("mean", "squares", "errors"):
            self.add_state(name, torch.zeros(values), dist_reduce_fx=None)

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Predictions and true values, both (N, K)."""
        size, mean = len(target), target.mean(dim=0)
        total, change = self.examples + size, mean - self.mean
        squares = ((target - mean) ** 2).sum(dim=0) + change**2 * (size * self.examples / total)
        self.squares = self.squares + squares
        self.errors = self.errors + ((preds - target) ** 2).sum(dim=0)
        self.mean, self.examples = self.mean + change * (size / total), total

    def compute(self) -> Tensor:
        """The mean over values."""
        errors, total = self.sums()
        return (1 - errors / total)[total > 0].mean()

    def sums(self) -> tuple[Tensor, Tensor]:
        """The squares of what is left, and of deviations, (K,) each; 0 of values that vary by rounding alone."""
        examples = self.examples.reshape(-1, 1)  # (devices, 1)
        means, squares, errors = (s.reshape(len(examples), -1) for s in (self.mean, self.squares, self.errors))
        mean = (means * examples).sum(dim=0) / examples.sum()  # (K,)
        total = (squares + examples * (means - mean) ** 2).sum(dim=0)
        return errors.sum(dim=0), torch.where(total > examples.sum() * (1e-6 * mean) ** 2, total, 0)


def _joined(batches: Any) -> Tensor:
    return torch.cat(batches) if isinstance(batches, list) else batches


def _quietly(compute: Callable[..., Tensor], *arguments: Any, **options: Any) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No (positive|negative) samples")
        return compute(*arguments, **options)


def _areas(histograms: Tensor) -> tuple[Tensor, Tensor, int]:
    """Of histograms (K, 2, BINS): K areas, how many examples each of K applies to, and how many there are."""
    without, of_it = histograms.double().unbind(dim=1)  # (K, BINS): examples to which it does not apply, and does
    below = without.cumsum(dim=1) - without / 2  # half of those in the same bin
    areas = (of_it * below).sum(dim=1) / (of_it.sum(dim=1) * without.sum(dim=1))
    return areas.float(), of_it.sum(dim=1), int(histograms[0].sum())


@cache
def _say_binned() -> None:
    notice(f"auroc: there are more than {EXACT:,} probabilities. They are counted in {BINS} bins, not one by one.")
