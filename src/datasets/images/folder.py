"""A folder of pictures, a subfolder for each class -> a Dataset; and new pictures for a finished run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader, Dataset

from src.console.messages import nearest
from src.datasets.images.augment import mirrored, random_part, recoloured
from src.datasets.images.decode import decode
from src.datasets.images.files import examples, existing_folder, files_in, looked_at

FEW = 200  # files, for which processes that load are not worth their start


def images(
    path: str,
    size: int = 64,
    channels: Literal[1, 3] | None = None,
    on_error: Literal["refuse", "skip"] = "refuse",
    flip: bool = False,
    crop: float | None = None,
    colour: float = 0.0,
) -> ImageFolder:
    """Pictures in path/class/, at any depth, or in path/train/class/, path/val/class/ and path/test/class/.

    Args:
        size: the shorter side is resized to it, and the square in the middle taken.
        channels: 1, grey; 3, colour; None: as the files are.
        on_error: what is done about files that cannot be read.
        flip, crop, colour: how training examples are changed at random: half of them mirrored; a part of at least
            this share of the square; brightness, contrast and saturation changed by up to this strength.

    Raises:
        ValueError: a number out of its range, no such folders, a class without pictures, files that cannot be read.
    """
    if size < 1:
        raise ValueError(f"data.size={size}: a picture has at least 1 pixel.")
    if crop is not None and not 0 < crop <= 1:
        raise ValueError(f"data.crop={crop}: the least share of a picture is above 0 and at most 1, such as 0.5.")
    if not 0 <= colour <= 1:
        raise ValueError(f"data.colour={colour}: a strength is from 0 to 1, such as 0.2.")
    root = existing_folder(path)
    files, labels, splits, classes = examples(root)
    hint = "Take them away, or leave them out: data.on_error=skip."
    kept, kinds = looked_at([root / file for file in files], on_error == "skip", hint)
    labels, splits = np.array(labels)[kept], np.array(splits)[kept]
    for number in set(range(len(classes))) - set(labels.tolist()):
        raise ValueError(f"No picture of class {classes[number]} in data.path={path} can be read.")
    return ImageFolder(
        Pictures(root, np.array([os.fsencode(files[i]) for i in kept]), size, channels or _common(kinds)),
        torch.from_numpy(labels),
        classes,
        {name: torch.from_numpy(np.flatnonzero(splits == name)) for name in set(splits.tolist()) - {""}},
        dict(zip(*map(np.ndarray.tolist, np.unique(kinds, return_counts=True)), strict=True)),
        (flip, crop, colour),
    )


class Pictures(Dataset):
    """Files in a folder as tensors (channels, size, size), uint8.

    Args:
        names: paths relative to `folder`, as an array of bytes: a list of 100 000 would be copied to every process.
        channels: None: not decided yet.
    """

    def __init__(self, folder: Path, names: np.ndarray, size: int, channels: int | None) -> None:
        self.folder, self.names, self.size, self.channels = folder, names, size, channels

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Tensor:
        return decode(self.path(index), self.size, self.channels or 3)

    def path(self, index: int) -> Path:
        return self.folder / os.fsdecode(self.names[index])


class ImageFolder(Dataset):
    """(picture, class number); see `images`.

    Args:
        kinds: how many files are grey (1) and in colour (3).
        changes: flip, crop and colour.
    """

    target = "class"

    def __init__(
        self,
        pictures: Pictures,
        labels: Tensor,
        classes: list[str],
        splits: dict[str, Tensor],
        kinds: dict[int, int],
        changes: tuple[bool, float | None, float],
    ) -> None:
        self.pictures, self.labels, self.classes, self.splits, self.kinds = pictures, labels, classes, splits, kinds
        self.changes = changes
        self.augments = any(changes)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.pictures[index], self.labels[index]

    def augmented(self, index: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """An example changed at random, by this generator alone."""
        flip, crop, colour = self.changes
        if crop is None:
            x = self.pictures[index]
        else:
            part = partial(random_part, least=crop, generator=generator)
            x = decode(self.pictures.path(index), self.pictures.size, self.pictures.channels or 3, part, crop)
        x = mirrored(x, generator) if flip else x
        return recoloured(x, colour, generator) if colour else x, self.labels[index]

    @property
    def reader(self) -> dict[str, Any]:
        """Reads new pictures in the same way."""
        size, channels = self.pictures.size, self.pictures.channels
        return {"_target_": "src.datasets.images.folder.ImageReader", "size": size, "channels": channels}

    def fit(self, indices: Tensor) -> None:
        """Nothing is learnt. Raises ValueError if the pictures differ in their channels."""
        if self.pictures.channels is None:
            raise ValueError(
                f"{self.kinds[1]} pictures are grey and {self.kinds[3]} in colour: "
                "say data.channels=1 (all as grey) or data.channels=3 (all as colour)."
            )

    def use(self, reader: dict[str, Any], task: str, classes: list[str] | None) -> None:
        """Pictures and class numbers as a finished run has them. Raises ValueError for a class that it has not."""
        known = classes or []
        for name in self.classes:
            if name not in known:
                raise ValueError(f"The run knows no class {name}: it knows {', '.join(known)}.{nearest(name, known)}")
        self.labels = torch.tensor([known.index(name) for name in self.classes])[self.labels]
        self.pictures.size, self.pictures.channels, self.classes = reader["size"], reader["channels"], known


class ImageReader:
    """Reads new pictures for a finished run: from a folder, at any depth, or one."""

    def __init__(self, size: int, channels: int) -> None:
        self.size, self.channels = size, channels

    def read(self, path: str, batch_size: int, num_workers: int | None) -> Iterator[tuple[pd.DataFrame, Tensor, float]]:
        """Yield `file`, the paths below the folder; x (B, channels, size, size), uint8; and the share done, 0 to 1.

        `num_workers`: None: one per core up to 8, for many files.

        Raises:
            ValueError: there are no pictures, or a file cannot be read.
        """
        place = Path(path).expanduser()
        root = place.parent if place.is_file() else existing_folder(path)
        files = [place.name] if place.is_file() else files_in(root, root)
        if not files:
            raise ValueError(f"{path} holds no pictures.")
        looked_at([root / file for file in files], skip=False)
        if num_workers is None:
            num_workers = min(8, os.cpu_count() or 1) if len(files) > FEW else 0
        pictures = Pictures(root, np.array(list(map(os.fsencode, files))), self.size, self.channels)
        done = 0
        for x in DataLoader(pictures, batch_size, num_workers=num_workers):
            yield pd.DataFrame({"file": files[done : done + len(x)]}), x, (done + len(x)) / len(files)
            done += len(x)


def _common(kinds: np.ndarray) -> int | None:
    """The channels of all files; None if they differ."""
    return int(kinds[0]) if len(kinds) and (kinds == kinds[0]).all() else None
