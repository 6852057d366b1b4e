"""What a net can be saved as for others: format -> how it is written, and how its user reads it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from src.extras import need
from src.nearest import nearest

if TYPE_CHECKING:
    from torch import Tensor

    from src.module import SupervisedModule


class Format(NamedTuple):
    """
    Attributes:
        file: its usual name.
        write: module, x of some examples (N, *input_shape), path -> the file.
        read: module (but for its weights), path -> a function that answers for x (B, *input_shape).
        package: what is needed from the extra `export`.
    """

    file: str
    write: Callable[[SupervisedModule, Tensor, Path], None]
    read: Callable[[SupervisedModule, Path], Callable[[Tensor], Tensor]]
    package: str | None = None


def find_format(name: str) -> Format:
    """One of FORMATS.

    Raises:
        ValueError: there is none of this name, or its package is missing.
    """
    if name not in FORMATS:
        raise ValueError(f"format={name}: there are {', '.join(FORMATS)}.{nearest(name, FORMATS)}")
    found = FORMATS[name]
    if found.package:
        need(f"format={name}", found.package, "export")
    return found


def _write_pt2(module: SupervisedModule, x: Tensor, path: Path) -> None:
    import torch

    torch.export.save(_program(module, x[[0, 0]]), path)  # from a single example a batch would always be one


def _program(module: SupervisedModule, x: Tensor) -> Any:
    import torch

    batch = torch.export.Dim("batch", min=1)
    failures: list[Exception] = []
    for strict in (False, True):  # False takes more of Python; but only True follows len(x), as the size of any batch
        try:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what torch says of its own nn.LSTM
                return torch.export.export(module, (x,), dynamic_shapes=({0: batch},), strict=strict)
        except Exception as failure:  # of any kind: it may come from any line of the net
            failures.append(failure)
    reason = str(failures[-1]).strip().partition("\n")[0]
    raise ValueError(
        f"format=pt2: torch.export cannot follow this net, format=state_dict keeps its parameters. {reason}"
    ) from failures[-1]


def _read_pt2(module: SupervisedModule, path: Path) -> Callable[[Tensor], Tensor]:
    import torch

    return torch.export.load(path).module()


def _write_safetensors(module: SupervisedModule, x: Tensor, path: Path) -> None:
    from safetensors.torch import save_file

    # Copies, since it refuses tensors that share their memory.
    save_file({name: tensor.clone().contiguous() for name, tensor in module.state_dict().items()}, path)


def _write_state_dict(module: SupervisedModule, x: Tensor, path: Path) -> None:
    import torch

    torch.save(dict(module.state_dict()), path)


def _read_parameters(module: SupervisedModule, path: Path) -> Callable[[Tensor], Tensor]:
    from src.weights import read_weights

    untrained = type(module)(**module.hparams)
    untrained.load_state_dict(read_weights(path))
    return untrained.eval()


FORMATS = {
    "pt2": Format("model.pt2", _write_pt2, _read_pt2),
    "safetensors": Format("parameters.safetensors", _write_safetensors, _read_parameters, "safetensors"),
    "state_dict": Format("parameters.pt", _write_state_dict, _read_parameters),
}
