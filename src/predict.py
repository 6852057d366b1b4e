"""A finished run's answers for new inputs, to a file.

python -m src.predict outputs/my_run new.csv -o answers.csv      # the rows of new.csv, each with its answer
python -m src.predict outputs/my_run photos/ -o answers.jsonl    # a folder of images, or one
python -m src.predict outputs/my_run x.npy -o answers.parquet    # an array of examples
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.cli.command import command
from src.console.screen import progress
from src.run import Run

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from src.module import SupervisedModule

VALUES = 2**22  # of a batch: nets for large images need memory for each of them many times over
MOST = 8192  # examples of a batch


def predict(run: Run, path: str, output: str, overrides: list[str] | None = None) -> int:
    """Write the inputs in `path` with the best weights' answers to `output`; returns how many there are.

    After the input's own columns: `predicted_<target>`, and for classes `probability_<class>`s. The last column of a
    regression is its answer.

    Args:
        output: its ending says how: .csv, .jsonl or .parquet.
        overrides: `KEY=VALUE`s of data (batch_size, num_workers) and trainer.

    Raises:
        ValueError: no finished run, inputs that are not like those that it has learnt from, a file that cannot be
            written. Then there is no file, or the one that was there before.
    """
    cfg = run.config(overrides)
    from src.formats.tables import table_written_whole

    with table_written_whole(Path(output), Path(path)) as write:
        import torch
        from lightning.fabric import Fabric

        from src.config.build import build
        from src.config.preflight import check_devices
        from src.console.quiet import quiet

        quiet()
        check_devices(cfg.trainer.accelerator, 1)
        module = run.load()
        if module.hparams.reader is None:
            raise ValueError(
                f"{run} is of an older Kindling, and does not know how to read new inputs. Train it again."
            )
        fabric = Fabric(accelerator=cfg.trainer.accelerator, devices=1)
        fabric.to_device(module)
        reader = build(module.hparams.reader)
        asked = cfg.data.batch_size != run.config().data.batch_size
        batch_size = cfg.data.batch_size if asked else _batch_size(module)
        count = 0
        with torch.inference_mode(), progress("predicting", total=1) as done:
            for rows, x, share in reader.read(path, batch_size, cfg.data.num_workers):
                if not output.endswith(".csv"):  # there a number need not be a text
                    rows = _typed(rows, getattr(reader, "numbers", []))
                write(_with_answers(rows, module(fabric.to_device(x)).cpu(), module))
                count += len(rows)
                done(share)
        if not count:
            raise ValueError(f"{path} holds nothing to answer for.")
    return count


def _batch_size(module: SupervisedModule) -> int:
    return max(1, min(MOST, VALUES // math.prod(module.hparams.input_shape)))


def _typed(rows: pd.DataFrame, numbers: list[str]) -> pd.DataFrame:
    """The columns `numbers` as float64."""
    import pandas as pd

    return rows.assign(**{name: pd.to_numeric(rows[name], errors="coerce").astype("float64") for name in numbers})


def _with_answers(rows: pd.DataFrame, answers: Tensor, module: SupervisedModule) -> pd.DataFrame:
    """`rows` (B) and the answers to them, values (B, K) or probabilities (B, C)."""
    import pandas as pd

    h = module.hparams
    values = answers.float().numpy().astype(str).astype("float64")  # 0.1, where float32 is 0.100000001490116
    if h.classes is None:
        columns: dict[str, Any] = {f"predicted_{name}": values[:, k] for k, name in enumerate(h.targets)}
    else:
        columns = {f"predicted_{h.targets[0]}": [h.classes[k] for k in answers.argmax(dim=1).tolist()]}
        columns |= {f"probability_{name}": values[:, k] for k, name in enumerate(h.classes)}
    twice = [name for name in columns if name in rows]
    if twice:
        raise ValueError(f"The input has a column {twice[0]} already: it looks like answers. Leave that column out.")
    return pd.concat([rows.reset_index(drop=True), pd.DataFrame(columns)], axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m src.predict", description=__doc__.partition("\n")[0])
    parser.add_argument("run", help="the run's folder, such as outputs/my_run")
    parser.add_argument("input", help="a table, a folder of images, or arrays: like those that it has learnt from")
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="data.batch_size, data.num_workers, trainer")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="ends in .csv, .jsonl or .parquet")
    arguments = parser.parse_intermixed_args()
    with command():
        count = predict(Run(arguments.run), arguments.input, arguments.output, arguments.changes)
        print(f"{arguments.output}  {count} answers")


if __name__ == "__main__":
    main()
