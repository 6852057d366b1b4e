"""Pictures of coloured discs, squares and triangles, with the class of each pixel."""

from __future__ import annotations

import numpy as np
import torch

from src.console.messages import UserError
from src.datasets.memory import InMemory

CLASSES = ["background", "disc", "square", "triangle"]  # by the number in y
SIDES = {2: 4, 3: 3}
MOST = 2  # shapes in one picture


def shapes(size: int, pixels: int, noise: float, data_seed: int) -> InMemory:
    """x (N, 3, pixels, pixels), uint8, and y (N, pixels, pixels), the number of each pixel's class.

    Of one or two shapes in a picture a later one lies over an earlier one. A colour says nothing of the class.

    Args:
        size: how many pictures there are.
        noise: its standard deviation, where 1 is the whole range of brightness.

    Raises:
        UserError: pictures in which shapes cannot be told apart.
    """
    if pixels < 16:
        raise UserError(f"pixels={pixels}: a square and a disc look alike in so few. Try 32.")
    random = np.random.default_rng(data_seed)
    pictures, masks = zip(*(_example(pixels, noise, random) for _ in range(size)), strict=True)
    reader = {"_target_": "src.datasets.images.ImageReader", "size": pixels, "channels": 3}
    x, y = torch.from_numpy(np.stack(pictures)), torch.from_numpy(np.stack(masks))
    return InMemory(x, y, CLASSES, target="shape", reader=reader)


def _example(pixels: int, noise: float, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One picture (3, pixels, pixels) and its mask (pixels, pixels)."""
    mask = np.zeros((pixels, pixels), dtype=np.int64)
    picture = np.empty((3, pixels, pixels))
    picture[:] = random.uniform(0, 0.4, (3, 1, 1))
    for _ in range(random.integers(1, MOST + 1)):
        shape = int(random.integers(1, len(CLASSES)))
        inside = _inside(shape, pixels, random)
        mask[inside] = shape
        picture[:, inside] = random.uniform(0.4, 1, (3, 1))
    noisy = picture + noise * random.standard_normal(picture.shape)
    return (255 * noisy.clip(0, 1)).round().astype(np.uint8), mask


def _inside(shape: int, pixels: int, random: np.random.Generator) -> np.ndarray:
    """Which pixels (pixels, pixels) lie inside of a shape of any place, size and angle."""
    down, right = np.mgrid[:pixels, :pixels] - random.uniform(0.3, 0.7, (2, 1, 1)) * pixels
    area = (random.uniform(0.35, 0.55) * pixels) ** 2  # of all shapes alike: the size does not tell them apart
    if CLASSES[shape] == "disc":
        return np.pi * (down**2 + right**2) <= area
    sides = SIDES[shape]
    angles = random.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(sides).reshape(-1, 1, 1) / sides
    distances = np.cos(angles) * right + np.sin(angles) * down  # from the middle, towards each side
    return distances.max(axis=0) <= np.sqrt(area / (sides * np.tan(np.pi / sides)))
