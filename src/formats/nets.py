"""What a net can be saved as for others: format -> how it is written, and how its user reads it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from src.console.extras import need
from src.console.messages import UserError, first_line, nearest
from src.formats.signature import KEY

if TYPE_CHECKING:
    from lightning import LightningModule
    from torch import Tensor

Shape = tuple["int | None", ...]
LARGEST_ONNX = 2**31 - 2**20  # bytes of parameters; the rest is for the net itself


class Format(NamedTuple):
    """One way to save a net.

    Attributes:
        file: its usual name.
        write: module, x of some examples (N, *shape), shape with None for a size that varies, signature, path -> the
            file.
        read: module (but for its weights), path -> a function that predicts from x (B, *input_shape).
        packages: what is needed from the extra `export`.
        is_signed: whether it holds the whole net, with its signature; else the parameters alone.
    """

    file: str
    write: Callable[[LightningModule, Tensor, Shape, str, Path], None]
    read: Callable[[LightningModule, Path], Callable[[Tensor], Tensor]]
    packages: tuple[str, ...] = ()
    is_signed: bool = False


def find_format(name: str) -> Format:
    """One of FORMATS.

    Raises:
        UserError: there is none of this name, or its package is missing.
    """
    if name not in FORMATS:
        raise UserError(f"format={name}: there are {', '.join(FORMATS)}.{nearest(name, FORMATS)}")
    form = FORMATS[name]
    for package in form.packages:
        need(f"format={name}", package, "export")
    return form


def _write_pt2(module: LightningModule, x: Tensor, shape: Shape, signature: str, path: Path) -> None:
    import torch

    program = _program(module, x, shape, "pt2")
    _write(path, lambda file: torch.export.save(program, file, extra_files={f"{KEY}.json": signature}))


def _write(path: Path, save: Callable[[BytesIO], object]) -> None:
    """What `save` writes: from memory, since of a file on a full disk torch would end the process."""
    content = BytesIO()
    save(content)
    path.write_bytes(content.getbuffer())


def _program(module: LightningModule, x: Tensor, shape: Shape, name: str) -> Any:
    """What torch.export makes of `module`, for a batch of any size.

    Raises:
        UserError: it cannot follow the net.
    """
    import torch

    x = x[[0, 0]]  # from a single example a batch would always be one
    varying = {axis: torch.export.Dim(f"size_{axis}", min=1) for axis in _varying(shape)}
    sizes = {0: torch.export.Dim("batch", min=1), **varying}
    failures: list[Exception] = []
    for strict in (False, True):  # False takes more of Python; but only True follows len(x), as the size of any batch
        try:
            with torch.no_grad(), _silence():
                return torch.export.export(module, (x,), dynamic_shapes=(sizes,), strict=strict)
        except Exception as failure:  # of any kind: it may come from any line of the net
            failures.append(failure)
    reason = first_line(failures[-1])
    raise UserError(
        f"format={name}: torch.export cannot follow this net, format=state_dict keeps its parameters. {reason}"
    ) from failures[-1]


def _varying(shape: Shape) -> list[int]:
    """The axes of a batch, beside the first, whose size varies."""
    return [axis for axis, size in enumerate(shape, start=1) if size is None]


@contextmanager
def _silence() -> Iterator[None]:
    """Inside it nothing is heard of what torch and ONNX say of their own workings, such as of nn.LSTM."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _read_pt2(module: LightningModule, path: Path) -> Callable[[Tensor], Tensor]:
    import torch

    return torch.export.load(path).module()


def _write_onnx(module: LightningModule, x: Tensor, shape: Shape, signature: str, path: Path) -> None:
    import torch

    size = sum(tensor.nbytes for tensor in module.state_dict().values())
    if size > LARGEST_ONNX:
        raise UserError(f"format=onnx: such a file holds 2 GB, but this net has {size / 1e9:.1f} GB. Use format=pt2.")
    program = _program(module, x, shape, "onnx")
    names = {0: "batch", **{axis: f"size_{axis}" for axis in _varying(shape)}}
    with _onnx_errors(), _silence():
        written = torch.onnx.export(
            program,
            input_names=["x"],
            output_names=["predictions"],
            dynamic_shapes=(names,),  # that its readers will see
            dynamo=True,
            verbose=False,
        )
    assert written is not None
    written.model.metadata_props[KEY] = signature
    written.save(path, external_data=False)


def _read_onnx(module: LightningModule, path: Path) -> Callable[[Tensor], Tensor]:
    import onnxruntime
    import torch

    with _onnx_errors():
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def predict(x: Tensor) -> Tensor:
        with _onnx_errors():
            [predictions] = session.run(["predictions"], {"x": x.numpy()})
            return torch.as_tensor(predictions)

    return predict


@contextmanager
def _onnx_errors() -> Iterator[None]:
    """Any error inside it, a UserError: it may be one of ONNX's, or come from any operation of the net."""
    try:
        yield
    except Exception as error:
        first: BaseException = error
        while first.__cause__ is not None:
            first = first.__cause__
        reason = first_line(first)
        raise UserError(f"format=onnx: ONNX has no words for this net, format=pt2 can keep it. {reason}") from error


def _write_safetensors(module: LightningModule, x: Tensor, shape: Shape, signature: str, path: Path) -> None:
    from safetensors.torch import save

    # Copies, since it refuses tensors that share their memory.
    path.write_bytes(save({name: tensor.clone().contiguous() for name, tensor in module.state_dict().items()}))


def _write_state_dict(module: LightningModule, x: Tensor, shape: Shape, signature: str, path: Path) -> None:
    import torch

    _write(path, lambda file: torch.save(dict(module.state_dict()), file))


def _read_parameters(module: LightningModule, path: Path) -> Callable[[Tensor], Tensor]:
    import copy

    from src.learning.weights import read_weights

    empty = copy.deepcopy(module)
    for tensor in empty.state_dict().values():
        tensor.zero_()  # what the file lacks would show
    empty.load_state_dict(read_weights(path))
    return empty.eval()


FORMATS = {
    "pt2": Format("model.pt2", _write_pt2, _read_pt2, is_signed=True),
    "onnx": Format("model.onnx", _write_onnx, _read_onnx, ("onnx", "onnxruntime", "onnxscript"), is_signed=True),
    "safetensors": Format("parameters.safetensors", _write_safetensors, _read_parameters, ("safetensors",)),
    "state_dict": Format("parameters.pt", _write_state_dict, _read_parameters),
}
