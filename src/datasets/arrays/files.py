"""Arrays in files: .npy, which may be larger than memory, .npz and .safetensors. Nothing is ever unpickled."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from src.console.extras import need
from src.console.messages import UserError, first_line, nearest
from src.files.disk_rows import ArrayRows, DiskRows

ENDINGS = (".npy", ".npz", ".safetensors")


def open_arrays(path: str, names: list[str], as_typed: str) -> dict[str, ArrayRows]:
    """The arrays `names` of a file; an .npy has a single one, which is the first of them.

    Args:
        as_typed: the path in the user's words, such as path=x.npy.

    Raises:
        UserError: no such file, one that is broken or of another kind, or an array that it has not.
    """
    ending = Path(path).suffix
    if ending not in ENDINGS:
        raise UserError(f"{as_typed}: arrays are read from files that end in {', '.join(ENDINGS)}.")
    if not Path(path).is_file():
        raise UserError(f"{as_typed} is not a file.")
    if ending == ".safetensors":
        need(as_typed, "safetensors", "export")
    read = {".npy": _read_npy, ".npz": _read_npz, ".safetensors": _read_safetensors}[ending]
    try:
        all_names, arrays = read(path, names)
    except Exception as error:  # of any kind: the file may hold anything
        reason = first_line(error)
        if "pickle" in reason or "Python objects" in reason:
            reason = "it holds Python objects, which could run code. Save numbers or texts: array.astype('float32')"
        raise UserError(f"{as_typed} cannot be read as {ending}: {reason}.") from error
    for name in names:
        if name not in arrays:
            hint = nearest(name, all_names) or f" It has: {', '.join(all_names) or 'nothing'}."
            raise UserError(f"{as_typed} has no array {name}.{hint}")
    return arrays


def _read_npy(path: str, names: list[str]) -> tuple[list[str], dict[str, ArrayRows]]:
    array = np.lib.format.open_memmap(path, mode="r")
    if not array.flags.c_contiguous:  # its rows are strewn over the file
        return names[:1], {names[0]: np.load(path)}
    return names[:1], {names[0]: DiskRows(path, array.dtype, array.shape, array.offset)}


def _read_npz(path: str, names: list[str]) -> tuple[list[str], dict[str, ArrayRows]]:
    if not zipfile.is_zipfile(path):
        raise UserError("it is no zip archive, or only the beginning of one. numpy.savez(path, x=x, y=y) writes one.")
    with np.load(path, allow_pickle=False) as file:
        return file.files, {name: file[name] for name in names if name in file.files}


def _read_safetensors(path: str, names: list[str]) -> tuple[list[str], dict[str, ArrayRows]]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        all_names = list(file.keys())
        tensors = {name: file.get_tensor(name) for name in names if name in all_names}
    # NumPy lacks some of torch's floats, such as bfloat16.
    return all_names, {name: (t.float() if t.is_floating_point() else t).numpy() for name, t in tensors.items()}
