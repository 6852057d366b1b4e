"""How sure a metric is: bootstrap confidence intervals (Efron 1979, the percentile method)."""

from __future__ import annotations

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
    """Metric -> the ends between which it lies for 95 % of as many examples drawn from these, with repeats.

    Args:
        predictions: of all examples, (N, ...).
        truth: (N, ...), as the task compares it with predictions.
        resamples: how often they are drawn; None: 1000 times, for very many truths fewer, but at least 100.
    """
    size = len(truth)
    if resamples is None:
        resamples = max(100, min(RESAMPLES, MOST // truth.numel()))
    metrics = {name: metric.to(truth.device) for name, metric in task.metrics().items()}
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
    return {name: (low.item(), high.item()) for name, (low, high) in quantiles.items()}
