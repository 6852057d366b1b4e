"""A picture changed at random, by a generator of one's own: the same one gives the same picture."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from src.datasets.images.decode import Box

RATIO = 4 / 3  # of a part's longer to its shorter side, at most
LUMA = (0.299, 0.587, 0.114)  # how bright red, green and blue look


def random_part(width: int, height: int, least: float, generator: Generator) -> Box:
    """A rectangle, nearly square, anywhere in the picture; its area is from `least` to 1 of the largest square's."""
    share, ratio, right, down = torch.rand(4, generator=generator).tolist()
    area = (least + (1 - least) * share) * min(width, height) ** 2
    ratio = RATIO ** (2 * ratio - 1)
    part = min(width, math.sqrt(area * ratio)), min(height, math.sqrt(area / ratio))
    left, top = right * (width - part[0]), down * (height - part[1])
    return left, top, min(width, left + part[0]), min(height, top + part[1])


def recoloured(x: Tensor, strength: float, generator: Generator) -> Tensor:
    """Brightness, contrast and saturation of x (C, H, W), uint8, each times 1 - strength to 1 + strength."""
    brightness, contrast, saturation = (1 + strength * (2 * torch.rand(3, generator=generator) - 1)).tolist()
    y = x.float() * brightness
    y = y.mean() + contrast * (y - y.mean())
    if len(x) == 3:
        grey = (y * torch.tensor(LUMA).reshape(3, 1, 1)).sum(0)
        y = grey + saturation * (y - grey)
    return y.round().clamp(0, 255).to(torch.uint8)


def mirrored(x: Tensor, generator: Generator) -> Tensor:
    """x (C, H, W), or half of the time its mirror image."""
    return x.flip(-1) if torch.rand((), generator=generator) < 0.5 else x
