"""What a net can be saved as for others: format -> how it is written, and how its user reads it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from src.console.extras import need
from src.console.messages import nearest

if TYPE_CHECKING:
    from torch import Tensor

    from src.module import SupervisedModule


LARGEST_ONNX = 2**31 - 2**20  # bytes of parameters; the rest is for the net itself


class Format(NamedTuple):
    """
    Attributes:
        file: its usual name.
        write: module, x of some examples (N, *input_shape), path -> the file.
        read: module (but for its weights), path -> a function that answers for x (B, *input_shape).
        packages: what is needed from the extra `export`.
    """

    file: str
    write: Callable[[SupervisedModule, Tensor, Path], None]
    read: Callable[[SupervisedModule, Path], Callable[[Tensor], Tensor]]
    packages: tuple[str, ...] = ()


def find_format(name: str) -> Format:
    """One of FORMATS.

    Raises:
        ValueError: there is none of this name, or its package is missing.
    """
    if name not in FORMATS:
        raise ValueError(f"format={name}: there are {', '.join(FORMATS)}.{nearest(name, FORMATS)}")
    found = FORMATS[name]
    for package in found.packages:
        need(f"format={name}", package, "export")
    return found


def _write_pt2(module: SupervisedModule, x: Tensor, path: Path) -> None:
    import torch

    torch.export.save(_program(module, x, "pt2"), path)


def _program(module: SupervisedModule, x: Tensor, name: str) -> Any:
    """What torch.export makes of `module`, for a batch of any size.

    Raises:
        ValueError: it cannot follow the net.
    """
    import torch

    x = x[[0, 0]]  # from a single example a batch would always be one
    batch = torch.export.Dim("batch", min=1)
    failures: list[Exception] = []
    for strict in (False, True):  # False takes more of Python; but only True follows len(x), as the size of any batch
        try:
            with torch.no_grad(), _silence():
                return torch.export.export(module, (x,), dynamic_shapes=({0: batch},), strict=strict)
        except Exception as failure:  # of any kind: it may come from any line of the net
            failures.append(failure)
    reason = str(failures[-1]).strip().partition("\n")[0]
    raise ValueError(
        f"format={name}: torch.export cannot follow this net, format=state_dict keeps its parameters. {reason}"
    ) from failures[-1]


@contextmanager
def _silence() -> Iterator[None]:
    """Inside it nothing is heard of what torch and ONNX say of their own workings, such as of nn.LSTM."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _read_pt2(module: SupervisedModule, path: Path) -> Callable[[Tensor], Tensor]:
    import torch

    return torch.export.load(path).module()


def _write_onnx(module: SupervisedModule, x: Tensor, path: Path) -> None:
    import torch

    size = sum(tensor.nbytes for tensor in module.state_dict().values())
    if size > LARGEST_ONNX:
        raise ValueError(f"format=onnx: such a file holds 2 GB, but this net has {size / 1e9:.1f} GB. Use format=pt2.")
    program = _program(module, x, "onnx")
    with _onnx_errors(), _silence():
        written = torch.onnx.export(
            program,
            input_names=["x"],
            output_names=["predictions"],
            dynamic_shapes=({0: "batch"},),  # the name that its readers will see
            dynamo=True,
            verbose=False,
        )
    assert written is not None
    written.save(path, external_data=False)


def _read_onnx(module: SupervisedModule, path: Path) -> Callable[[Tensor], Tensor]:
    import onnxruntime
    import torch

    with _onnx_errors():
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def answer(x: Tensor) -> Tensor:
        with _onnx_errors():
            [predictions] = session.run(["predictions"], {"x": x.numpy()})
            return torch.as_tensor(predictions)

    return answer


@contextmanager
def _onnx_errors() -> Iterator[None]:
    """Any error inside it, a ValueError: it may be one of ONNX's, or come from any operation of the net."""
    try:
        yield
    except Exception as error:
        first: BaseException = error
        while first.__cause__ is not None:
            first = first.__cause__
        reason = str(first).strip().partition("\n")[0]
        raise ValueError(f"format=onnx: ONNX has no words for this net, format=pt2 can keep it. {reason}") from error


def _write_safetensors(module: SupervisedModule, x: Tensor, path: Path) -> None:
    from safetensors.torch import save_file

    # Copies, since it refuses tensors that share their memory.
    save_file({name: tensor.clone().contiguous() for name, tensor in module.state_dict().items()}, path)


def _write_state_dict(module: SupervisedModule, x: Tensor, path: Path) -> None:
    import torch

    torch.save(dict(module.state_dict()), path)


def _read_parameters(module: SupervisedModule, path: Path) -> Callable[[Tensor], Tensor]:
    from src.learning.weights import read_weights

    untrained = type(module)(**module.hparams)
    untrained.load_state_dict(read_weights(path))
    return untrained.eval()


FORMATS = {
    "pt2": Format("model.pt2", _write_pt2, _read_pt2),
    "onnx": Format("model.onnx", _write_onnx, _read_onnx, ("onnx", "onnxruntime", "onnxscript")),
    "safetensors": Format("parameters.safetensors", _write_safetensors, _read_parameters, ("safetensors",)),
    "state_dict": Format("parameters.pt", _write_state_dict, _read_parameters),
}
