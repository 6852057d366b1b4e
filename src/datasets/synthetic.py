"""Made-up data with a known answer."""

from __future__ import annotations

import numpy as np
import torch

from src.datasets.memory import InMemory


def line(size: int, slope: float, intercept: float, noise: float, data_seed: int) -> InMemory:
    """``y = intercept + slope * x`` plus Gaussian noise, shuffled; x (N, 1) in [0, 1), y (N, 1).

    Drawn as textbooks do after `np.random.seed`: x, noise, order.
    """
    random = np.random.RandomState(data_seed)
    x = random.rand(size, 1)
    y = intercept + slope * x + noise * random.randn(size, 1)
    order = np.arange(size)
    random.shuffle(order)
    return InMemory(*(torch.tensor(values[order], dtype=torch.float32) for values in (x, y)))


def parabola(size: int, noise: float, data_seed: int, repeats: int = 1) -> InMemory:
    """``y = x ** 2`` plus noise, even in [0, noise); x (N, 1) evenly over [-1, 1], y (N, 1), N = repeats * size.

    Each repeat measures the same x anew.
    """
    x = torch.linspace(-1, 1, size).repeat(repeats).unsqueeze(1)
    return InMemory(x, x**2 + noise * torch.rand(x.shape, generator=torch.Generator().manual_seed(data_seed)))
