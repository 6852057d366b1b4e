"""Made-up data with a known answer."""

from __future__ import annotations

import torch

from src.datasets.memory import InMemory


def line(size: int, slope: float, intercept: float, noise: float, data_seed: int) -> InMemory:
    """``y = slope * x + intercept`` plus Gaussian noise; x (N, 1) in [0, 1], y (N, 1)."""
    x = torch.rand(size, 1, generator=torch.Generator().manual_seed(data_seed))
    return InMemory(x, slope * x + intercept + _noise(x, noise, data_seed))


def parabola(size: int, noise: float, data_seed: int) -> InMemory:
    """``y = x ** 2`` plus Gaussian noise; x (N, 1) evenly in [-1, 1], y (N, 1)."""
    x = torch.linspace(-1, 1, size).unsqueeze(1)
    return InMemory(x, x**2 + _noise(x, noise, data_seed))


def _noise(x: torch.Tensor, deviation: float, data_seed: int) -> torch.Tensor:
    return deviation * torch.randn(x.shape, generator=torch.Generator().manual_seed(data_seed + 1))
