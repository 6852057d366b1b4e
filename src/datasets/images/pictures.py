"""Files of pictures as tensors."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from src.console.screen import progress
from src.datasets.images.decode import Box, Resize, central, decode
from src.files.checksum import file_checksum


class Pictures(Dataset):
    """Files in a folder as tensors (channels, size, size), uint8.

    Args:
        files: paths relative to `folder`.
        channels: None: not decided yet.
        max_pixels: of a file; None: Pillow's own limit.
        resize: what is done about proportions; see `decode.resized`.
    """

    def __init__(
        self,
        folder: Path,
        files: list[str],
        size: int,
        channels: int | None,
        max_pixels: int | None,
        resize: Resize,
    ) -> None:
        self.folder, self.size, self.channels, self.max_pixels = folder, size, channels, max_pixels
        self.resize: Resize = resize
        self.names = np.array(list(map(os.fsencode, files)))  # a list of 100 000 would be copied to every process

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Tensor:
        return self.part(index, central, 1.0)

    def part(self, index: int, box: Callable[[int, int], Box], least: float) -> Tensor:
        """Of a picture, instead of all that is seen of it; see `decode`."""
        return decode(self.path(index), self.size, self.channels or 3, box, least, self.max_pixels, self.resize)

    def path(self, index: int) -> Path:
        return self.folder / os.fsdecode(self.names[index])

    def checksums(self) -> list[tuple[str, int]]:
        """Of each file its path below the folder, and its content's checksum: less work than to look at its header."""
        with progress("reading the pictures", len(self)) as done:
            checksums = []
            for number, file in enumerate(map(os.fsdecode, self.names)):
                checksums.append((file, file_checksum(self.folder / file)))
                done(number + 1)
        return checksums
