"""Made-up data with a known answer."""

from __future__ import annotations

import math

import numpy as np
import torch

from src.console.messages import UserError
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
    return InMemory(torch.tensor(x[order]).float(), torch.tensor(y[order]).float())


def parabola(size: int, noise: float, data_seed: int, repeats: int) -> InMemory:
    """``y = x ** 2`` plus noise, even in [0, noise); x (N, 1) evenly over [-1, 1], y (N, 1), N = repeats * size.

    Each repeat measures the same x anew.
    """
    x = torch.linspace(-1, 1, size).repeat(repeats).unsqueeze(1)
    return InMemory(x, x**2 + noise * torch.rand(x.shape, generator=torch.Generator().manual_seed(data_seed)))


def stripes(size: int, classes: int, shape: list[int], noise: float, data_seed: int) -> InMemory:
    """Striped images x (N, C, H, W), uint8; class k of K is the direction in which they change, 180 k / K degrees.

    Wavelength, phase and colours differ from image to image; 0 degrees is to the right, 90 degrees downwards. `noise`
    is its standard deviation where 1 is the whole range of brightness.

    Raises:
        UserError: fewer than two classes, or a shape that is not (channels, height, width).
    """
    if classes < 2:
        raise UserError(f"classes={classes}: at least 2.")
    if len(shape) != 3 or min(shape) < 1:
        raise UserError(f"shape={shape}: an image needs [channels,height,width], such as [3,224,224].")
    channels, height, width = shape
    generator = torch.Generator().manual_seed(data_seed)
    y = torch.arange(size) % classes  # as many of each
    angles = math.pi * y.reshape(-1, 1, 1) / classes
    down, right = torch.arange(height).reshape(-1, 1), torch.arange(width)
    distance = angles.cos() * right + angles.sin() * down  # (N, H, W), in pixels
    longest = max(8.0, min(height, width) / 3)
    wavelength = 4 + (longest - 4) * torch.rand(size, 1, 1, generator=generator)
    # A phase and a depth of its own for each channel make the colours.
    phase, depth = torch.rand(2, size, channels, 1, 1, generator=generator)
    waves = (2 * math.pi * ((distance / wavelength).unsqueeze(1) + phase)).sin()  # (N, C, H, W)
    brightness = 0.5 + (0.1 + 0.3 * depth) * waves + noise * torch.randn(waves.shape, generator=generator)
    x = (255 * brightness.clamp(0, 1)).round().to(torch.uint8)
    return InMemory(x, y, [f"{180 * k / classes:.4g}°" for k in range(classes)], target="direction of the stripes")


def clusters(size: int, features: int, classes: int, noise: float, data_seed: int) -> InMemory:
    """Points around a centre for each class; x (N, F), y as many of each class.

    The centres are drawn from a standard normal distribution, and so are the points, times `noise`, around theirs.

    Raises:
        UserError: fewer than two classes, or no features.
    """
    if classes < 2:
        raise UserError(f"classes={classes}: at least 2.")
    if features < 1:
        raise UserError(f"features={features}: at least 1.")
    generator = torch.Generator().manual_seed(data_seed)
    y = torch.arange(size) % classes
    centres = torch.randn(classes, features, generator=generator)
    x = torch.randn(size, features, generator=generator).mul_(noise).add_(centres[y])
    return InMemory(x, y, target="cluster")
