"""Arrays in files: .npy, which may be larger than memory, .npz and .safetensors. Nothing is ever unpickled."""

from __future__ import annotations

import mmap
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from src.extras import need
from src.nearest import nearest

ENDINGS = (".npy", ".npz", ".safetensors")
HELD = 2**28  # bytes of a mapped file that stay in memory at most
PAGE = 2**21  # bytes that the system may map around a row, however short that is


class Mapped:
    """An .npy file whose rows are read when they are asked for, and let go of again.

    Attributes:
        shape, dtype: of the whole array.
    """

    def __init__(self, path: str) -> None:
        self.path, self.held = path, 0
        self.mapped: Any = np.lib.format.open_memmap(path, mode="r")
        self.array = np.asarray(self.mapped)  # rows of it are plain arrays
        self.shape, self.dtype = self.array.shape, self.array.dtype

    def __reduce__(self) -> Any:
        return Mapped, (self.path,)  # a loading process maps the file anew: pickled, it would be read whole

    def __getitem__(self, rows: slice | list[int]) -> np.ndarray:
        found = np.array(self.array[rows])
        self.held += max(found.nbytes, PAGE if isinstance(rows, slice) else PAGE * len(rows))
        if self.held > HELD:
            self.mapped._mmap.madvise(mmap.MADV_DONTNEED)
            self.held = 0
        return found


Rows = np.ndarray | Mapped


def open_arrays(path: str, names: Iterable[str], said: str) -> dict[str, Rows]:
    """The arrays `names` of a file; an .npy has a single one, which is the first of them.

    Args:
        said: the path in the user's words, such as data.path=x.npy.

    Raises:
        ValueError: no such file, one that is broken or of another kind, or an array that it has not.
    """
    ending, names = Path(path).suffix, list(names)
    if ending not in ENDINGS:
        raise ValueError(f"{said}: arrays are read from files that end in {', '.join(ENDINGS)}.")
    if not Path(path).is_file():
        raise ValueError(f"{said} is not a file.")
    if ending == ".safetensors":
        need(said, "safetensors", "export")
    read = {".npy": _read_npy, ".npz": _read_npz, ".safetensors": _read_safetensors}[ending]
    try:
        has, arrays = read(path, names)
    except Exception as error:  # of any kind: the file may hold anything
        reason = str(error).strip().partition("\n")[0]
        if "pickle" in reason or "Python objects" in reason:
            reason = "it holds Python objects, which could run code. Save numbers or texts: array.astype('float32')."
        raise ValueError(f"{said} cannot be read as {ending}: {reason}") from error
    for name in names:
        if name not in arrays:
            hint = nearest(name, has) or f" It has: {', '.join(has) or 'nothing'}."
            raise ValueError(f"{said} has no array {name}.{hint}")
    return arrays


def _read_npy(path: str, names: list[str]) -> tuple[list[str], dict[str, Rows]]:
    return names[:1], {names[0]: Mapped(path)}


def _read_npz(path: str, names: list[str]) -> tuple[list[str], dict[str, Rows]]:
    if not zipfile.is_zipfile(path):
        raise ValueError("it is no zip archive, or only the beginning of one. numpy.savez(path, x=x, y=y) writes one.")
    with np.load(path, allow_pickle=False) as file:
        return file.files, {name: file[name] for name in names if name in file.files}


def _read_safetensors(path: str, names: list[str]) -> tuple[list[str], dict[str, Rows]]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        has = list(file.keys())
        tensors = {name: file.get_tensor(name) for name in names if name in has}
    # NumPy lacks some of torch's floats, such as bfloat16.
    return has, {name: (t.float() if t.is_floating_point() else t).numpy() for name, t in tensors.items()}
