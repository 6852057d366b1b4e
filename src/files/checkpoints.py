"""Checkpoint files that are whole or not there at all."""

from __future__ import annotations

import inspect
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from lightning import LightningModule
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch.utils._pytree import tree_leaves

from src.console.messages import FULL, UserError, first_line
from src.console.screen import notice
from src.files.atomic import written_whole

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"
Module = TypeVar("Module", bound=LightningModule)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the file and renames: Lightning's own does so only if $TMPDIR is on the same file system.

    Of the last state the one before is kept too, as `PREVIOUS` beside it.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        path = Path(path)
        path.parent.mkdir(exist_ok=True)  # a run's folder that was taken away stays away
        with written_whole(path, sync=True, keep=path.with_name(PREVIOUS) if path.name == LAST else None) as partial:
            try:
                with partial.open("wb") as file:
                    torch.save(checkpoint, file)
            except (OSError, RuntimeError) as error:
                _tell_lack_of_room(error if isinstance(error, OSError) else error.__context__, checkpoint, path)
                raise

    def load_checkpoint(self, path: Any, map_location: Any = "cpu", weights_only: bool | None = True) -> dict[str, Any]:
        return load_checkpoint(path)


def _tell_lack_of_room(error: BaseException | None, checkpoint: dict[str, Any], path: Path) -> None:
    """Raise UserError, with the bytes that are needed and free, if that is why a checkpoint could not be written."""
    if isinstance(error, OSError) and error.errno in FULL:
        needed = sum(leaf.nbytes for leaf in tree_leaves(checkpoint) if isinstance(leaf, torch.Tensor))
        free = shutil.disk_usage(path.parent).free
        raise UserError(
            f"{path} cannot be written: {error.strerror}. It needs about {needed / 1e6:.1f} MB, {free / 1e6:.1f} MB "
            "are free. Make room (or raise the limit), and repeat the command: the run goes on."
        ) from error


def check_zip(path: str | Path) -> None:
    """Raise BadZipFile if a file of torch's is not whole: torch itself reads flipped bytes without complaint."""
    with zipfile.ZipFile(path) as file:
        damaged = file.testzip()
    if damaged:
        raise zipfile.BadZipFile(f"{damaged} differs from its checksum")


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint, onto the CPU, and plain data only: a pickle could run anything.

    Raises:
        UserError: the file is not there, not whole or no checkpoint of ours.
    """
    if not Path(path).is_file():
        raise UserError(f"{path} does not exist.")
    try:
        check_zip(path)
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise UserError(f"{path} is damaged, or no checkpoint: {first_line(error)}.") from error
    if not isinstance(checkpoint, dict) or not {"state_dict", "DataModule"} <= checkpoint.keys():
        raise UserError(f"{path} is no checkpoint of a run: it lacks its weights, or what the data have taught.")
    return checkpoint


def newest_whole(last: Path, previous: Path) -> Path:
    """The last state of a run; the one before it if that is damaged, which is kept beside it, or not there.

    Raises:
        UserError: neither can be read.
    """
    if not last.exists():  # killed between two renames
        return previous
    try:
        load_checkpoint(last)
    except UserError as error:
        if not previous.exists():
            raise UserError(f"{error} Nothing is left to go on from: choose another name=.") from error
        load_checkpoint(previous)
        notice(f"{error} It is kept as damaged.ckpt; the run goes on from the state before it.")
        last.replace(last.with_name("damaged.ckpt"))
        previous.replace(last)
    return last


def built(module_class: Callable[..., Module], checkpoint: dict[str, Any], path: str | Path) -> Module:
    """A module with the hyperparameters in a checkpoint.

    Raises:
        UserError: they are not those of such a module.
    """
    parameters = checkpoint.get("hyper_parameters", {})
    try:
        inspect.signature(module_class).bind(**parameters)
    except TypeError as error:
        raise UserError(f"{path} is no checkpoint of a {module_class.__name__}: {first_line(error)}.") from error
    return module_class(**parameters)


def restored(module: Module, checkpoint: dict[str, Any]) -> Module:
    """`module` with what a checkpoint of it holds, ready to predict."""
    module.on_load_checkpoint(checkpoint)
    module.load_state_dict(checkpoint["state_dict"])
    return module.eval()
