"""Files of pictures as tensors."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from src.datasets.images.decode import decode


class Pictures(Dataset):
    """Files in a folder as tensors (channels, size, size), uint8.

    Args:
        files: paths relative to `folder`.
        channels: None: not decided yet.
    """

    def __init__(self, folder: Path, files: list[str], size: int, channels: int | None) -> None:
        self.folder, self.size, self.channels = folder, size, channels
        self.names = np.array(list(map(os.fsencode, files)))  # a list of 100 000 would be copied to every process

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Tensor:
        return decode(self.path(index), self.size, self.channels or 3)

    def path(self, index: int) -> Path:
        return self.folder / os.fsdecode(self.names[index])
