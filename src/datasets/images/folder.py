"""A folder of pictures, a subfolder for each class -> a Dataset."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Generator, Tensor
from torch.utils.data import Dataset

from src.console.messages import UserError
from src.datasets.classes import renumbered
from src.datasets.contract import TargetKind
from src.datasets.images.augment import mirrored, random_part, recoloured
from src.datasets.images.decode import Resize
from src.datasets.images.files import check_files, examples, existing_folder
from src.datasets.images.pictures import Pictures
from src.files.checksum import digest


def image_folder(
    path: str,
    *,
    size: int,
    channels: Literal[1, 3] | None,
    max_pixels: int,
    on_error: Literal["refuse", "skip"],
    flip: bool,
    crop: float | None,
    colour: float,
    resize: Resize = "crop",  # older runs do not say it
) -> ImageFolder:
    """Pictures in path/class/, at any depth, or in path/train/class/, path/val/class/ and path/test/class/.

    Args:
        size: of x, in pixels, to which pictures are resized.
        channels: 1, grey; 3, colour; None: as the files are.
        max_pixels: of a file, width x height.
        on_error: what is done about files that cannot be read.
        flip, crop, colour: how training examples are changed at random: half of them mirrored; a part of at least
            this share of the square; brightness, contrast and saturation changed by up to this strength.
        resize: crop: the square in the middle is taken; pad: all of it, with black beside; squash: all of it, out of
            proportion.

    Raises:
        UserError: a number out of its range, no such folders, a class without pictures, files that cannot be read.
    """
    if size < 1:
        raise UserError(f"size={size}: a picture has at least 1 pixel.")
    if max_pixels < 1:
        raise UserError(f"max_pixels={max_pixels}: at least 1.")
    changes = Changes(flip, crop, colour)
    root = existing_folder(path)
    files, labels, splits, classes = examples(root)
    hint = "Take them away, or leave them out: on_error=skip."
    readable, file_channels = check_files([root / file for file in files], on_error == "skip", max_pixels, hint)
    labels, splits = np.array(labels)[readable], np.array(splits)[readable]
    for number in set(range(len(classes))) - set(labels.tolist()):
        raise UserError(f"No picture of class {classes[number]} in path={path} can be read.")
    if channels is None and len(set(file_channels.tolist())) == 1:
        channels = file_channels[0].item()
    return ImageFolder(
        Pictures(root, [files[number] for number in readable], size, channels, max_pixels, resize),
        torch.from_numpy(labels),
        classes,
        {name: torch.from_numpy(np.flatnonzero(splits == name)) for name in set(splits.tolist()) - {""}},
        int((file_channels == 1).sum()),
        changes,
    )


@dataclass(frozen=True)
class Changes:
    """How training pictures are changed at random; see `image_folder`.

    Raises:
        UserError: a number out of its range.
    """

    flip: bool
    crop: float | None
    colour: float

    def __post_init__(self) -> None:
        if self.crop is not None and not 0 < self.crop <= 1:
            raise UserError(f"crop={self.crop}: the least share of a picture is above 0 and at most 1, such as 0.5.")
        if not 0 <= self.colour <= 1:
            raise UserError(f"colour={self.colour}: a strength is from 0 to 1, such as 0.2.")


class ImageFolder(Dataset):
    """(picture, class number); see `image_folder`.

    Args:
        grey: how many files are grey; the others are in colour.
    """

    target = "class"

    def __init__(
        self,
        pictures: Pictures,
        labels: Tensor,
        classes: list[str],
        splits: dict[str, Tensor],
        grey: int,
        changes: Changes,
    ) -> None:
        self.pictures, self.labels, self.classes, self.splits, self.grey = pictures, labels, classes, splits, grey
        self.changes = changes
        self.augments = changes.flip or changes.crop is not None or changes.colour > 0

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.pictures[index], self.labels[index]

    def name_of(self, index: int) -> str:
        return str(self.pictures.path(index))

    def fingerprint(self) -> str:
        """Of the files' paths below the folder, in which the classes and splits stand, and of all that is in them."""
        return digest(self.pictures.checksums())

    def augmented(self, index: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """An example changed at random, by this generator alone."""
        changes, pictures = self.changes, self.pictures
        if changes.crop is None:
            x = pictures[index]
        else:
            part = partial(random_part, least=changes.crop, generator=generator)
            x = pictures.part(index, part, changes.crop)
        x = mirrored(x, generator) if changes.flip else x
        return recoloured(x, changes.colour, generator) if changes.colour else x, self.labels[index]

    def read_target(self, kind: TargetKind | None, classes: list[str] | None = None) -> None:
        """Folders are classes: number them as a finished run does.

        Raises:
            UserError: the target is to be read as something else, or the run does not know a class.
        """
        if kind not in ("class", None):
            raise UserError(f"path={self.pictures.folder}: its folders are classes, which are no {kind}.")
        if classes is not None:
            self.labels = renumbered(self.labels, self.classes, classes, f"path={self.pictures.folder}")
            self.classes = classes

    def fit(self, indices: Tensor) -> None:
        """Nothing is learnt. Raises UserError if the pictures differ in their channels."""
        if self.pictures.channels is None:
            raise UserError(
                f"Of {len(self)} pictures {self.grey} {'is' if self.grey == 1 else 'are'} grey, the others in colour: "
                "say channels=1 (all as grey) or channels=3 (all as colour)."
            )

    def restore(self, reader: dict[str, Any]) -> None:
        """Read the pictures as a finished run does. Raises UserError if it has learnt from other data."""
        if not {"size", "channels"} <= reader.keys():
            raise UserError(f"path={self.pictures.folder} holds pictures, but the run has learnt from none.")
        self.pictures.size, self.pictures.channels = reader["size"], reader["channels"]
        self.pictures.resize = reader.get("resize", "crop")  # older runs do not say it

    @property
    def reader(self) -> dict[str, Any]:
        """Reads new pictures in the same way."""
        pictures = self.pictures
        reading = {"size": pictures.size, "channels": pictures.channels, "resize": pictures.resize}
        return {"_target_": "src.datasets.images.ImageReader", **reading, "max_pixels": pictures.max_pixels}
