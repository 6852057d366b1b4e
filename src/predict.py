"""A finished run's predictions for new inputs, to a file.

python -m src.predict outputs/my_run new.csv -o predictions.csv      # the rows of new.csv, each with its prediction
python -m src.predict outputs/my_run photos/ -o predictions.jsonl    # a folder of images, or one
python -m src.predict outputs/my_run x.npy -o predictions.parquet    # an array of examples
python -m src.predict outputs/my_run new.csv -o why.csv explain=true # and how much each column has moved it
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.cli.command import command
from src.config.check import is_whole
from src.console import startup
from src.console.messages import UserError, in_words
from src.console.screen import progress
from src.files.atomic import naming
from src.run import Run, asked_for, require

if TYPE_CHECKING:
    import pandas as pd
    from omegaconf import DictConfig
    from torch import Tensor

VALUES = 2**22  # of a batch: nets for large images need memory for each of them many times over
ASKED = ("max_line", "max_pixels", "query", "sheet", "header")  # how much a file holds, and where: no other reading
MOST = 8192  # examples of a batch; a sixteenth where gradients are needed, for which a net keeps all in between
AT_ONCE = 1024  # of these, that a processor computes at once: what layers pass on stays in its cache


def predict(run: Run, path: str, output: str, overrides: list[str] | None = None, explain: str | None = None) -> int:
    """Write the inputs in `path` with the best weights' predictions to `output`; returns how many there are.

    After the input's own columns: `predicted_<target>`, and for classes `probability_<class>`s; of a task whose
    predictions are files, a folder of these. With `explain` also `baseline_prediction`, that for the training data's
    mean, and `effect_<column>`s of a table, which lead from there to the prediction.

    Args:
        output: its ending says how: .csv, .jsonl or .parquet.
        overrides: `KEY=VALUE`s of data (batch_size, num_workers) and trainer.
        explain: true, or the class or value of which the effects are; None: they cost nothing.

    Raises:
        UserError: no finished run, inputs that are not like those that it was trained on, a file that cannot be
            written. Then there is no file, or the one that was there before.
    """
    _check_heeded(overrides or [])
    cfg = run.config(overrides)
    import torch
    from lightning.fabric import Fabric

    from src.config.build import in_terms_of
    from src.config.preflight import check_devices
    from src.console.quiet import quiet
    from src.formats.predictions import predictions_written_whole
    from src.learning.explain import Explanation

    quiet()
    check_devices(cfg.trainer.accelerator, 1)
    module = run.load()
    task = getattr(module, "task", module)  # a module of the user's own may say itself what becomes of predictions
    require(module, "forward", "src.predict")
    require(task, "columns", "src.predict")
    with predictions_written_whole(Path(output), Path(path), task) as write:
        fabric = Fabric(accelerator=cfg.trainer.accelerator, devices=1)
        fabric.to_device(module)
        reader = run.reader({name: cfg.data[name] for name in ASKED if name in cfg.data})
        batch_size, at_once = _batch_sizes(run, cfg, MOST // 16 if explain else MOST, fabric.device.type == "cpu")
        explanation = Explanation(module, run.description, reader, explain) if explain else None
        count = 0
        startup.end()

        @torch.inference_mode()
        def answer(x: Tensor) -> tuple[Tensor, dict[str, Any]]:
            on_device = fabric.to_device(x)
            predictions = torch.cat([module(part) for part in on_device.split(at_once)]).cpu()
            return predictions, explanation(on_device, predictions) if explanation else {}

        keys = {name: f"data.{name}" for name in (*ASKED, "missing")}  # those of which inputs' errors speak
        with progress("predicting", total=1) as done, in_terms_of("", keys):
            inputs = _read(reader, path, batch_size, cfg.data.num_workers)
            for rows, x, share, (predictions, effects) in _answered(inputs, answer):
                if not output.endswith(".csv"):  # there a number need not be a text
                    rows = _typed(rows, getattr(reader, "numbers", []))
                write(rows, x, predictions, effects)
                count += len(rows)
                done(share)
        if explanation:
            explanation.tell()
        if not count:
            raise UserError(f"{path} holds nothing to predict from.")
    return count


def _read(reader: Any, path: str, *args: Any) -> Iterator[Any]:
    """What `reader.read` gives. Raises UserError of the input, where it cannot be read: the output is not at fault."""
    try:
        with naming(Path(path)):
            yield from reader.read(path, *args)
    except OSError as error:
        raise UserError(in_words(error)) from error


def _answered(inputs: Iterator[Any], answer: Callable[[Any], Any]) -> Iterator[Any]:
    """(rows, x, share, answer of x) for each (rows, x, share) of `inputs`.

    A thread computes it while those before are written, and those behind are read.
    """
    with ThreadPoolExecutor(1) as thread:
        begun = ((rows, x, share, thread.submit(answer, x)) for rows, x, share in inputs)
        for (rows, x, share, answered), _ in pairwise(chain[Any](begun, [None])):
            yield rows, x, share, answered.result()


def _check_heeded(overrides: list[str]) -> None:
    """Raise UserError for a key of data by which nothing would change: inputs are read as the run's own were."""
    heeded = [f"data.{name}" for name in ("batch_size", "num_workers", *ASKED)]
    for override in overrides:
        key = override.partition("=")[0].lstrip("+~")
        if key.partition(".")[0] == "data" and key not in heeded:
            raise UserError(
                f"{override}: src.predict takes {', '.join(heeded)} only, and reads the rest as the run did."
            )


def _batch_sizes(run: Run, cfg: DictConfig, most: int, on_cpu: bool) -> tuple[int, int]:
    """How many examples are read at once, and how many of these are computed at once.

    Both are data.batch_size, if that was changed; else at most `most`, and what suits the processor.

    Raises:
        UserError: data.batch_size was changed to what is no whole number from 1.
    """
    typed = cfg.data.batch_size
    if typed == run.config().data.batch_size:
        size = max(1, min(most, VALUES // math.prod(size or 1 for size in run.description.input_shape)))
        return size, AT_ONCE if on_cpu else size
    if not is_whole(typed, least=1):
        raise UserError(f"data.batch_size={typed}: a whole number from 1 is needed.")
    return typed, typed


def _typed(rows: pd.DataFrame, numbers: list[str]) -> pd.DataFrame:
    """The columns `numbers` as float64."""
    import pandas as pd

    return rows.assign(**{name: pd.to_numeric(rows[name], errors="coerce").astype("float64") for name in numbers})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m src.predict", description=__doc__.partition("\n")[0])
    parser.add_argument("run", help="the run's folder, such as outputs/my_run")
    parser.add_argument("input", help="a table, a folder of images, or arrays: like those that it was trained on")
    parser.add_argument(
        "changes",
        nargs="*",
        default=[],
        metavar="KEY=VALUE",
        help="data.batch_size, data.num_workers, trainer; explain=true; trust=true",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        required=True,
        help="ends in .csv, .jsonl or .parquet; a folder where predictions are files",
    )
    arguments = parser.parse_intermixed_args()
    with command():
        run, changes = asked_for(arguments.run, arguments.changes)
        said = [change.removeprefix("explain=") for change in changes if change.startswith("explain=")]
        changes = [change for change in changes if not change.startswith("explain=")]
        explain = said[-1] if said and said[-1] != "false" else None
        count = predict(run, arguments.input, arguments.output, changes, explain)
        print(f"{arguments.output}  {count} predictions")


if __name__ == "__main__":
    main()
