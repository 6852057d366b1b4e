"""Probabilities that are right as often as they say."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

from src.tasks import Task

BINS = 15
VALUES = 2**20  # of outputs that the temperature is learnt from: of more it needs much memory
EXAMPLES, MOST = 2**20, 2**24  # that a calibration is learnt from and measured by, and their outputs
PRIOR = 0.5  # deviation of log T: some dozen examples that are all right do not make it small


def thinned(batches: Sequence[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
    """Every n-th example of batches of outputs and y: all, unless there are very many."""
    examples, values = sum(len(y) for _, y in batches), sum(outputs.numel() for outputs, _ in batches)
    every, seen, some = max(1, -(-examples // EXAMPLES), -(-values // MOST)), 0, []
    if every == 1:
        return list(batches)
    for batch in batches:
        some.append(tuple(part[-seen % every :: every].clone() for part in batch))
        seen += len(batch[1])
    return some


@torch.no_grad()
def fitted_temperature(task: Task, outputs: Tensor, target: Tensor) -> float:
    """The T by which outputs (N, *output_shape) are divided for the smallest loss on val (Guo et al. 2017).

    1 / 20 to 20; near 1 where few examples say otherwise, by a normal prior on its logarithm.
    """
    every = max(1, -(-outputs.numel() // VALUES))
    outputs, target = outputs[::every].double(), target[::every]

    def cost(log_t: float) -> float:
        return len(outputs) * task.loss(outputs / math.exp(log_t), target).item() + log_t**2 / (2 * PRIOR**2)

    low, high = -3.0, 3.0
    while high - low > 1e-4:  # the loss has one minimum
        step = (high - low) / 8
        best = min((low + step * k for k in range(9)), key=cost)
        low, high = best - step, best + step
    return math.exp((low + high) / 2)


def calibration_error(predictions: Tensor, truth: Tensor) -> float:
    """By how much confidence and the share that is right differ, in [0, 1]: the mean over 15 bins (Naeini et al. 2015).

    Args:
        predictions: probabilities of classes (N, C) or labels (N, K).
        truth: class numbers (N,), or labels (N, K).
    """
    if predictions.shape == truth.shape:
        return binary_calibration_error(predictions.flatten(), truth.flatten(), BINS, validate_args=False).item()
    return multiclass_calibration_error(predictions, truth, predictions.shape[1], BINS, validate_args=False).item()
