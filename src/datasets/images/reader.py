"""New pictures for a finished run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from torch import Tensor

from src.console.messages import UserError
from src.console.signals import leave_signals_to_parent
from src.datasets.images.decode import Resize
from src.datasets.images.files import check_files, existing_folder, files_in
from src.datasets.images.pictures import Pictures
from src.datasets.loader import Loader
from src.files.home import expanded

if TYPE_CHECKING:
    import pandas as pd

FEW = 200  # files, for which processes that load are not worth their start


class ImageReader:
    """Reads new pictures: from a folder, at any depth, or one; as (channels, size, size).

    Args:
        max_pixels: of a file; None: Pillow's own limit.
        resize: what is done about proportions; older runs, which do not say it, crop.
    """

    def __init__(self, size: int, channels: int, max_pixels: int | None = None, resize: Resize = "crop") -> None:
        self.size, self.channels, self.max_pixels = size, channels, max_pixels
        self.resize: Resize = resize

    def signature(self) -> dict[str, Any]:
        """How a picture becomes x: its size, what is done about proportions, channels in order, range of values."""
        channels = ["grey"] if self.channels == 1 else ["red", "green", "blue"]
        return {"pictures": {"size": self.size, "channels": channels, "range": [0, 255], "resize": self.resize}}

    def read(self, path: str, batch_size: int, num_workers: int | None) -> Iterator[tuple[pd.DataFrame, Tensor, float]]:
        """Yield `file`, the paths below the folder; x (B, channels, size, size), uint8; and the share done, 0 to 1.

        `num_workers`: None: one per core up to 8, for many files.

        Raises:
            UserError: there are no pictures, or a file cannot be read.
        """
        import pandas as pd  # dear, and not needed to train

        place = expanded(path)
        root = place.parent if place.is_file() else existing_folder(path)
        files = [place.name] if place.is_file() else files_in(root, root)
        if not files:
            raise UserError(f"{path} holds no pictures.")
        check_files([root / file for file in files], skip=False, max_pixels=self.max_pixels)
        if num_workers is None:
            num_workers = min(8, os.cpu_count() or 1) if len(files) > FEW else 0
        pictures = Pictures(root, files, self.size, self.channels, self.max_pixels, self.resize)
        done = 0
        for x in Loader(pictures, batch_size, num_workers=num_workers, worker_init_fn=leave_signals_to_parent):
            yield pd.DataFrame({"file": files[done : done + len(x)]}), x, (done + len(x)) / len(files)
            done += len(x)
