"""IDX files, the format of MNIST, and the data sets that come in it."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch

from src.console.messages import UserError, first_line
from src.datasets.memory import InMemory
from src.files.cache import cache_folder
from src.files.download import download

DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def idx_images(url: str, files: list[str], *, md5: list[str] | None, classes: list[str], cache: str | None) -> InMemory:
    """Images x (N, C, H, W), uint8, and class numbers y (N,); train and test as they are published.

    Args:
        url: address of the folder that has the files.
        files: images and labels to train, images and labels to test.
        md5: their checksums; None: not checked.
        classes: the classes' names by number.
        cache: the folder that keeps the files; None: the user's own.

    Raises:
        UserError: a file cannot be downloaded, is damaged, or does not fit the others.
    """
    if len(files) != 4 or (md5 is not None and len(md5) != 4):
        raise UserError("files= and md5= need four each: images and labels to train, images and labels to test.")
    folder = cache_folder(cache)
    sums = md5 or [None] * 4
    paths = [download(f"{url.rstrip('/')}/{name}", folder, md5=s) for name, s in zip(files, sums, strict=True)]
    parts = [_pair(images, labels, len(classes)) for images, labels in (paths[:2], paths[2:])]
    if parts[0][0].shape[1:] != parts[1][0].shape[1:]:
        raise UserError(f"Images of {paths[0]} have another size than those of {paths[2]}.")
    x, y = (torch.from_numpy(np.concatenate(both)) for both in zip(*parts, strict=True))
    _, channels, height, width = x.shape
    training = len(parts[0][0])
    reader = {"_target_": "src.datasets.images.ImageReader", "size": height, "channels": channels}
    return InMemory(
        x,
        y,
        classes,
        target="class",
        splits={"train": torch.arange(training), "test": torch.arange(training, len(x))},
        reader=reader if height == width and channels in (1, 3) else None,
    )


def read_idx(path: Path) -> np.ndarray:
    """The array in an IDX file (gzipped too), in its own shape and type.

    Raises:
        UserError: it is damaged, or no IDX file.
    """
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"{path} is damaged: {first_line(error)}. Remove it, and it is downloaded anew.") from error
    # Two zeros, the type, the number of dimensions; then each dimension in four bytes, and the values.
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in DTYPES:
        raise UserError(f"{path} is no IDX file: it begins with {content[:4].hex(' ') or 'nothing'}.")
    dtype, start = np.dtype(DTYPES[content[2]]), 4 + 4 * content[3]
    shape = struct.unpack(f">{content[3]}I", content[4:start]) if len(content) >= start else ()
    if len(content) != start + math.prod(shape) * dtype.itemsize:
        raise UserError(
            f"{path} is damaged: {len(content):,} bytes do not hold {'x'.join(map(str, shape)) or 'the sizes of'} "
            f"values of {dtype.itemsize} bytes. Remove it, and it is downloaded anew."
        )
    return np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def _pair(images: Path, labels: Path, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """x (N, C, H, W) and y (N,) of one split."""
    x, y = read_idx(images), read_idx(labels)
    if x.dtype != np.uint8 or x.ndim not in (3, 4):
        raise UserError(f"{images} holds no images: bytes of (N, height, width) are needed, not {x.dtype} {x.shape}.")
    if y.dtype.kind not in "ui" or y.shape != x.shape[:1]:
        raise UserError(f"{labels} does not hold a whole number for each of the {len(x)} images of {images}.")
    if not len(y) or y.min() < 0 or y.max() >= classes:
        raise UserError(f"{labels} has other labels than 0 to {classes - 1}, which classes= names.")
    return x.reshape(len(x), -1, *x.shape[-2:]), y.astype(np.int64)
