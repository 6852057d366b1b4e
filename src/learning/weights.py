"""Parameters from a file: a net's own, or those that another training left."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from torch import Tensor, nn

from src.console.extras import need
from src.console.messages import UserError, first_line
from src.files.checkpoints import check_zip

SHOWN = 4  # names in a line


def load_weights(net: nn.Module, path: str | Path) -> None:
    """Give `net` the parameters and buffers in a file, of those names that it has in the same shape.

    The names are the net's own, or begin with `net.` as in what src.export and our checkpoints hold. What stays as it
    was, such as a last layer for other classes, is printed in a line.

    Raises:
        UserError: no file of parameters, or none of them fits the net.
    """
    mine, stored = net.state_dict(), read_weights(path)
    in_ours = {name.removeprefix("net."): tensor for name, tensor in stored.items() if name.startswith("net.")}
    stored = max(stored, in_ours, key=lambda tensors: len(tensors.keys() & mine.keys()))
    fitting = {name: t for name, t in stored.items() if name in mine and t.shape == mine[name].shape}
    if not fitting:
        raise UserError(
            f"{path} fits no part of this net: it holds {_some(_shapes(stored))}, the net {_some(_shapes(mine))}."
        )
    net.load_state_dict(fitting, strict=False)
    _say_what_stayed(path, mine, stored, fitting)


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors in a file by name: a .safetensors file, or torch.save of a dict, or of one with it as state_dict.

    Raises:
        UserError: it does not exist, is damaged, or holds anything but tensors (a pickle could run anything).
    """
    if not Path(path).is_file():
        raise UserError(f"{path} is not a file.")
    weights = _read_safetensors(path) if Path(path).suffix == ".safetensors" else _read_torch(path)
    if isinstance(weights, Mapping) and isinstance(weights.get("state_dict"), Mapping):
        weights = weights["state_dict"]
    if not isinstance(weights, Mapping) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise UserError(f"{path} holds no parameters by name: torch.save(net.state_dict(), FILE) writes such a file.")
    return dict(weights)


def check_same_net(mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    """Raise UserError if the tensors in a checkpoint, `theirs`, are not those of a net, by name and shape."""
    names = sorted({*mine, *theirs})
    differing = [n for n in names if n not in mine or n not in theirs or mine[n].shape != theirs[n].shape]
    if differing:
        raise UserError(f"The checkpoint is of another net: it differs in {', '.join(differing[:4])}.")


def _read_torch(path: str | Path) -> object:
    try:
        if zipfile.is_zipfile(path):  # not what torch wrote before 1.6
            check_zip(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickles that it then refuses
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is damaged, or holds more than parameters: torch.save(net.state_dict(), FILE) writes only those."
        ) from error
    except OSError:  # not to be opened: it says so itself
        raise
    except Exception as error:  # of any kind: torch stumbles over damaged bytes in a dozen ways
        raise UserError(f"{path} is damaged, or no file of parameters: {first_line(error)}.") from error


def _read_safetensors(path: str | Path) -> dict[str, Tensor]:
    need(Path(path).name, "safetensors", "export")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise UserError(f"{path} is damaged, or no file of safetensors: {first_line(error)}.") from error


def _say_what_stayed(
    path: str | Path, mine: Mapping[str, Tensor], stored: Mapping[str, Tensor], fitting: Mapping[str, Tensor]
) -> None:
    # Files from before torch 1.1 lack the counter, which is hardly ever read.
    left = [name for name in mine if name not in fitting and not name.endswith("num_batches_tracked")]
    if not left:
        return
    other = {name: f"{_shape(mine[name])}, in the file {_shape(stored[name])}" for name in left if name in stored}
    said = [f"{name} ({other.get(name, 'not in the file')})" for name in left]
    rank_zero_only(print)(f"{path}: {len(fitting)} of the net's {len(mine)} tensors; as they were: {_some(said)}")


def _shapes(tensors: Mapping[str, Tensor]) -> list[str]:
    return [f"{name} ({_shape(tensor)})" for name, tensor in tensors.items()]


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "nothing") + more
