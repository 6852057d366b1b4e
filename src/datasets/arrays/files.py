"""Arrays in files: .npy, which may be larger than memory, .npz and .safetensors. Nothing is ever unpickled."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from src.console.extras import need
from src.console.messages import nearest
from src.files.disk_rows import DiskRows

ENDINGS = (".npy", ".npz", ".safetensors")

Rows = np.ndarray | DiskRows


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
    found = np.lib.format.open_memmap(path, mode="r")
    if not found.flags.c_contiguous:  # its rows are strewn over the file
        return names[:1], {names[0]: np.load(path)}
    return names[:1], {names[0]: DiskRows(path, found.dtype, found.shape, found.offset)}


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
