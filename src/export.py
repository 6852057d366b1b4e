"""Save the net of a finished run as one file that predicts as the run does.

python -m src.export outputs/my_run                       # pt2: the whole net, to be used without this project
python -m src.export outputs/my_run format=onnx           # the same for other programs and languages
python -m src.export outputs/my_run format=safetensors    # its parameters, to be loaded into the same net
python -m src.export outputs/my_run format=state_dict -o my_net.pt

A whole net has its signature with it, and in a file beside it, model.onnx.json: what it reads, such as the columns of a
table and how x is made of them, and what it answers.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from src.cli.command import command
from src.console import startup
from src.console.messages import UserError, nearest
from src.console.screen import progress
from src.files.atomic import write_text, written_whole
from src.formats.nets import FORMATS, find_format
from src.formats.signature import signature
from src.run import Run, asked_for, require

if TYPE_CHECKING:
    from lightning import LightningModule
    from omegaconf import DictConfig
    from torch import Tensor

EXAMPLES = 256  # whose predictions are compared
TOLERANCE = 1e-4  # of the largest prediction


def export(run: Run, name: str = "pt2", output: str | None = None, changes: list[str] | None = None) -> str:
    """Save the run's net, read it again, compare the predictions; returns a line that says where it is and how exact.

    Args:
        name: one of FORMATS.
        output: the file; None: in the run's folder, export/.
        changes: `KEY=VALUE`s of data, such as a path that is another one now.

    Raises:
        UserError: this cannot be done, or the file predicts otherwise than the run; then it is not kept.
    """
    form = find_format(name)
    cfg, module = run.config(changes), run.load()
    require(module, "forward", "src.export")
    path = Path(output) if output else Path(str(run)) / "export" / form.file
    _check_place(path, path.parent if output else run.folder, form.file)
    x = _examples(run, cfg)
    signed = signature(module, run.description, run.reader({}), x.dtype)
    path.parent.mkdir(exist_ok=True)
    startup.end()
    try:
        with written_whole(path) as partial, progress("exporting", total=2) as done:
            form.write(module, x, run.description.input_shape, signed, partial)
            done(1)
            difference = _difference(module, form.read(module, partial), x)
            if form.is_signed:
                write_text(path.with_name(f"{path.name}.json"), signed)
    finally:
        if not any(path.parent.iterdir()):  # export/, without a file
            path.parent.rmdir()
    size = path.stat().st_size / 1e6
    return f"{path}  {size:.1f} MB  largest difference to the run's predictions for {len(x)} examples: {difference:.1e}"


def _check_place(path: Path, folder: Path, usual: str) -> None:
    suffix = Path(usual).suffix
    if path.is_dir():
        raise UserError(f"{path} is a folder. Name a file in it, such as -o {path / usual}.")
    if path.suffix != suffix:
        raise UserError(f"-o {path}: such a file ends in {suffix}, as does {path.with_suffix(suffix)}.")
    if not folder.is_dir():
        raise UserError(f"-o {path}: the folder {folder} does not exist.")
    if not os.access(folder, os.W_OK):
        raise UserError(f"The folder {folder} cannot be written to. Choose another with -o FILE.")


def _examples(run: Run, cfg: DictConfig) -> Tensor:
    """x of the test split, or of val or train where there is none: (N, *input_shape), in the data's own dtype."""
    data = run.data(cfg)
    split = next(split for split in ("test", "val", "train") if data.splits[split])
    return data.examples(split, EXAMPLES)[0]


def _difference(module: LightningModule, predict: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """The largest between the two's predictions, for a single example and for batches.

    Raises:
        UserError: it is too large.
    """
    import torch

    with torch.no_grad():
        pairs = [(module(batch), predict(batch)) for batch in (x[:1], *x[1:].split(32)) if len(batch)]
    ours, theirs = (torch.cat(predictions) for predictions in zip(*pairs, strict=True))
    difference = (ours - theirs).abs().max().item()
    if not difference <= TOLERANCE * ours.abs().max().item():  # nan is no better
        raise UserError(
            f"The file's predictions differ from the run's by up to {difference:.1e}, so it is not kept. "
            "Does the net draw random numbers when it predicts?"
        )
    return difference


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m src.export", description=__doc__.partition("\n")[0])
    parser.add_argument("run", help="the run's folder, such as outputs/my_run")
    choices = f"format={' | '.join(FORMATS)}; a key of data that has changed since; trust=true"
    parser.add_argument("choices", nargs="*", default=[], metavar="KEY=VALUE", help=choices)
    parser.add_argument("-o", "--output", metavar="FILE", help="default: in the run's folder, export/")
    arguments = parser.parse_intermixed_args()
    with command():
        run, choices = asked_for(arguments.run, arguments.choices)
        given = {choice: choice.partition("=")[0] for choice in choices}
        for choice, key in given.items():
            if key != "format" and key.partition(".")[0] != "data":
                raise UserError(
                    f"{choice}: there are format, data and trust.{nearest(key, ['format', 'data', 'trust'])}"
                )
        names = [choice.removeprefix("format=") for choice, key in given.items() if key == "format"]
        changes = [choice for choice, key in given.items() if key != "format"]
        print(export(run, *names[-1:], output=arguments.output, changes=changes))


if __name__ == "__main__":
    main()
