"""How sure a score is: bootstrap confidence intervals (Efron 1979, the percentile method)."""

from __future__ import annotations

import torch
from torch import Tensor

from src.console.screen import progress
from src.tasks.task import TASKS

LEVEL = 0.95
RESAMPLES = 1000
MOST = 20_000_000  # examples that are counted in all


def intervals(
    task: str, predictions: Tensor, y: Tensor, resamples: int | None = None
) -> dict[str, tuple[float, float]]:
    """Metric -> the ends between which it lies for 95 % of as many examples drawn from these, with repeats.

    Args:
        predictions: values (N, K) or probabilities (N, C).
        y: values (N, K) or class numbers (N,).
        resamples: how often they are drawn; None: 1000 times, for very many examples fewer, but at least 100.
    """
    size = len(y)
    if resamples is None:
        resamples = max(100, min(RESAMPLES, MOST // size))
    metrics = {name: metric.to(y.device) for name, metric in TASKS[task].metrics(predictions.shape[1]).items()}
    drawn: dict[str, list[float]] = {name: [] for name in metrics}
    generator = torch.Generator().manual_seed(0)
    with progress("drawing again, for the intervals", total=resamples) as done:
        for i in range(resamples):
            rows = torch.randint(size, (size,), generator=generator).to(y.device)
            for name, metric in metrics.items():
                metric.update(predictions[rows], y[rows])
                drawn[name].append(float(metric.compute()))
                metric.reset()
            done(i + 1)
    ends = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.double)
    found = {name: torch.tensor(values, dtype=torch.double).nanquantile(ends) for name, values in drawn.items()}
    return {name: (low.item(), high.item()) for name, (low, high) in found.items()}
