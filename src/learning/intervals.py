"""How sure a metric is: 95 % confidence intervals.

A share of the examples has Wilson's interval (1927), which few examples make wide, also where all of them are right;
other metrics that of the bootstrap (Efron 1979, the percentile method).
"""

from __future__ import annotations

import math
from statistics import NormalDist

import torch
from torch import Tensor

from src.console.screen import progress
from src.tasks import Task

LEVEL = 0.95
RESAMPLES = 1000
MOST = 20_000_000  # truths that are counted in all


def intervals(
    task: Task, predictions: Tensor, truth: Tensor, resamples: int | None = None
) -> dict[str, tuple[float, float]]:
    """Metric -> the ends of its interval; none where every draw of the bootstrap has the same value.

    Args:
        predictions: of all examples, (N, ...).
        truth: (N, ...), as the task compares it with predictions.
        resamples: how often they are drawn; None: 1000 times, for very many truths fewer, but at least 100.
    """
    size = len(truth)
    if resamples is None:
        resamples = max(100, min(RESAMPLES, MOST // truth.numel()))
    shares = {name: _wilson(_value(task, name, predictions, truth), size) for name in task.shares}
    metrics = {name: metric.to(truth.device) for name, metric in task.metrics().items() if name not in shares}
    drawn: dict[str, list[float]] = {name: [] for name in metrics}
    generator = torch.Generator().manual_seed(0)
    with progress("drawing again, for the intervals", total=resamples) as done:
        for i in range(resamples):
            rows = torch.randint(size, (size,), generator=generator).to(truth.device)
            for name, metric in metrics.items():
                metric.update(predictions[rows], truth[rows])
                drawn[name].append(float(metric.compute()))
                metric.reset()
            done(i + 1)
    ends = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.double)
    quantiles = {name: torch.tensor(values, dtype=torch.double).nanquantile(ends) for name, values in drawn.items()}
    found = {name: (low.item(), high.item()) for name, (low, high) in quantiles.items() if low < high}
    return shares | found


def _value(task: Task, name: str, predictions: Tensor, truth: Tensor) -> float:
    metric = task.metrics()[name].to(truth.device)
    metric.update(predictions, truth)
    return float(metric.compute())


def _wilson(share: float, size: int) -> tuple[float, float]:
    """The shares that would give one so far from them in at least 5 % of the samples of this size."""
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    middle, width = share + z**2 / (2 * size), z * math.sqrt(share * (1 - share) / size + (z / (2 * size)) ** 2)
    return (middle - width) / (1 + z**2 / size), (middle + width) / (1 + z**2 / size)
