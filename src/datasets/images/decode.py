"""A picture's file -> a tensor."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from src.console.messages import UserError, first_line

Box = tuple[float, float, float, float]  # left, top, right, bottom; in pixels
Resize = Literal["crop", "pad", "squash"]

DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")  # more than 8 bits a pixel
GREY = ("1", "L", "LA", "La", *DEEP)
END = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND"}
TURN = Image.Transpose
UPRIGHT = {  # by EXIF's orientation
    2: TURN.FLIP_LEFT_RIGHT,
    3: TURN.ROTATE_180,
    4: TURN.FLIP_TOP_BOTTOM,
    5: TURN.TRANSPOSE,
    6: TURN.ROTATE_270,
    7: TURN.TRANSVERSE,
    8: TURN.ROTATE_90,
}


def central(width: int, height: int) -> Box:
    """The largest square in the middle."""
    side = min(width, height)
    return (width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2


def decode(
    path: Path,
    size: int,
    channels: int,
    box: Callable[[int, int], Box] = central,
    least: float = 1.0,
    max_pixels: int | None = None,
    resize: Resize = "crop",
) -> Tensor:
    """The picture's part `box(width, height)`, upright, resized to (channels, size, size), uint8; alpha on white.

    Args:
        least: the least share of the central square's area that the part may have.
        max_pixels: None: Pillow's limit.
        resize: see `resized`.

    Raises:
        UserError: it cannot be read, or has too many pixels.
    """
    with _opened(path, max_pixels) as image:
        wanted = math.ceil(size / math.sqrt(least))
        image.draft("L" if channels == 1 else "RGB", (wanted, wanted))  # a large JPEG is decoded at a half, a quarter..
        image.load()
        orientation = None
        with suppress(Exception):  # a camera's notes may be broken where its picture is not
            orientation = image.getexif().get(0x0112)
        square = resized(_plain(image), size, box, resize).convert("L" if channels == 1 else "RGB")
    if orientation in UPRIGHT:
        square = square.transpose(UPRIGHT[orientation])
    return torch.from_numpy(np.array(square)).reshape(size, size, channels).permute(2, 0, 1).contiguous()


def resized(picture: Image.Image, size: int, box: Callable[[int, int], Box], resize: Resize) -> Image.Image:
    """A part of a picture as (size, size) pixels, antialiased.

    Args:
        box: the part of a picture (width, height); of all of it, as if that were a square, where `resize` is no crop.
        resize: crop: the part, nearly square; pad: with black beside it; squash: out of proportion.
    """
    if resize == "crop":
        return picture.resize((size, size), Image.Resampling.BILINEAR, box=box(*picture.size))
    (left, top, right, bottom), (width, height) = box(1, 1), picture.size
    part = left * width, top * height, right * width, bottom * height
    if resize == "squash":
        return picture.resize((size, size), Image.Resampling.BILINEAR, box=part)
    sides = part[2] - part[0], part[3] - part[1]
    # As much on both sides, so that it is the same upright or lying.
    beside = [min((size - 1) // 2, round(size * (1 - side / max(sides)) / 2)) for side in sides]
    square = Image.new(picture.mode, (size, size))
    inner = size - 2 * beside[0], size - 2 * beside[1]
    square.paste(picture.resize(inner, Image.Resampling.BILINEAR, box=part), (beside[0], beside[1]))
    return square


def channels_of(path: Path, max_pixels: int | None = None) -> int:
    """1 of a grey picture, 3 of one in colour; from its header, and a look at its end.

    Raises:
        UserError: it is not a picture, or not a whole one, or has too many pixels.
    """
    with _opened(path, max_pixels) as image:
        channels = 1 if image.mode in GREY or (image.mode in ("P", "PA") and _grey_palette(image)) else 3
        if END.get(image.format or "", b"") not in _last_bytes(path):  # or something harmless was put behind it
            image.load()
    return channels


@contextmanager
def _opened(path: Path, max_pixels: int | None) -> Iterator[Image.Image]:
    pillows = Image.MAX_IMAGE_PIXELS
    if max_pixels is not None:
        Image.MAX_IMAGE_PIXELS = cast(int, max_pixels / 2)  # Pillow warns of more, and refuses twice as many
    try:
        with warnings.catch_warnings():  # of broken notes, and of many pixels
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                yield image
    except UnidentifiedImageError as error:
        reason = "not an image" if path.stat().st_size else "empty"
        raise UserError(f"{path} cannot be read: it is {reason}.") from error
    except Image.DecompressionBombError as error:
        size = first_line(error).partition(" exceeds")[0]
        limit = "Pillow's limit" if max_pixels is None else f"max_pixels={max_pixels}. Raise it if they fit in memory"
        raise UserError(f"{path} cannot be read: {size} exceeds {limit}.") from error
    except Exception as error:  # the decoders raise errors of all kinds
        reason = getattr(error, "strerror", None) or first_line(error)
        raise UserError(f"{path} cannot be read: {reason}.") from error
    finally:
        Image.MAX_IMAGE_PIXELS = pillows


def _last_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-min(64, path.stat().st_size), os.SEEK_END)
        return file.read()


def _plain(image: Image.Image) -> Image.Image:
    """The same as 8-bit grey or RGB."""
    if image.mode in DEEP:
        values = np.asarray(image, dtype="float32")
        # Whole numbers are of 16 bits, also where Pillow makes 32 of them; fractions are of 1 or of 255.
        scale = 1 / 256 if image.mode != "F" else 255 if values.max() <= 1 else 1
        return Image.fromarray((values * scale).clip(0, 255).astype("uint8"))
    if "transparency" in image.info or image.mode in ("RGBA", "RGBa", "LA", "La", "PA"):
        coloured = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), coloured).convert("RGB")
    return image if image.mode in ("L", "RGB") else image.convert("L" if image.mode == "1" else "RGB")


def _grey_palette(image: Image.Image) -> bool:
    red, green, blue = np.reshape(image.getpalette("RGB") or [], (-1, 3)).T
    return bool((red == green).all() and (green == blue).all())
