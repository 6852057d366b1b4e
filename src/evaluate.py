"""Score a finished run again, from its folder alone, with 95 % confidence intervals.

python -m src.evaluate outputs/my_run                     # the test split: the run's own test scores
python -m src.evaluate outputs/my_run --split val
python -m src.evaluate outputs/my_run data.path=new.csv   # all of a new file, with the right answers in it
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple

from omegaconf import OmegaConf

from src.cli.command import command
from src.console.screen import notice
from src.run import Run, load_data

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from src.datamodule import DataModule
    from src.module import SupervisedModule


class Score(NamedTuple):
    """A score, and the ends of its confidence interval; None for the loss."""

    value: float
    interval: tuple[float, float] | None


def evaluate(run: Run, split: str | None, overrides: list[str], resamples: int | None = None) -> dict[str, Score]:
    """The scores of a run's best weights on one split of its data, the config changed by `overrides`.

    Args:
        split: train | val | test; None: test. Data that the run does not know have no splits: all are scored.
        resamples: for the confidence intervals; None: 1000, or fewer for very many examples; 0: no intervals.

    Raises:
        ValueError: a folder that holds no finished run, or a config that does not fit it.
    """
    cfg = run.config(overrides)

    import lightning as L
    import torch

    from src.callbacks.collect import Answers
    from src.callbacks.progress import RunProgress
    from src.config.build import build
    from src.config.preflight import check_devices
    from src.console.quiet import quiet
    from src.learning.intervals import intervals

    quiet()
    check_devices(cfg.trainer.accelerator, cfg.trainer.devices)
    module = run.load()
    data = _data(run, cfg, module)
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    if data.are_new and split is not None:
        raise ValueError(f"--split {split}: {cfg.data.path} is new to the run, so all of it is scored.")
    split = split or "test"
    if not data.splits[split]:
        raise ValueError(f"--split {split}: data.fractions={data.fractions} left it empty. Try another one.")
    silent = {"enable_progress_bar": False, "logger": False, "default_root_dir": run.folder}
    answers = Answers()
    trainer = build(cfg.trainer, callbacks=[RunProgress(), answers], **silent)
    [scores] = trainer.test(module, data.loader(split), verbose=False) or [{}]
    if not scores:
        raise ValueError("trainer.limit_test_batches=0 leaves nothing to score.")
    with torch.no_grad():
        ends = {} if resamples == 0 else intervals(module.hparams.task, *answers.all(), resamples)
    names = {name: name.removeprefix("test/") for name in scores}
    return {f"{split}/{names[name]}": Score(value, ends.get(names[name])) for name, value in scores.items()}


def _data(run: Run, cfg: DictConfig, module: SupervisedModule) -> DataModule:
    """The run's own data, or those of another `data.path`, unless that holds the same examples."""
    path = OmegaConf.select(cfg, "data.path")
    if path == OmegaConf.select(run.config(), "data.path"):
        return load_data(cfg, module)
    data = load_data(cfg.copy(), module, are_new=True)
    if data.fingerprint() == module.hparams.fingerprint:
        notice(f"{path} holds the examples that the run was trained with, so they are split as they were then.")
        return load_data(cfg, module)
    notice(f"All {len(data.splits['test'])} examples of {path} are scored.")
    return data


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m src.evaluate", description=__doc__.partition("\n")[0])
    parser.add_argument("run", help="the run's folder, such as outputs/my_run")
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="changes to the config of the run")
    parser.add_argument("--split", choices=["train", "val", "test"], help="what to score it on; default: test")
    resamples = "draws for the confidence intervals; default: 1000; 0: none"
    parser.add_argument("--resamples", type=int, metavar="N", help=resamples)
    arguments = parser.parse_intermixed_args()
    with command():
        if arguments.resamples is not None and arguments.resamples < 0:
            raise ValueError(f"--resamples {arguments.resamples}: at least 0.")
        scores = evaluate(Run(arguments.run), arguments.split, arguments.changes, arguments.resamples)
        for name, (value, interval) in scores.items():
            said = f"   95 % between {interval[0]:.4f} and {interval[1]:.4f}" if interval else ""
            print(f"{name:<16}{value:.4f}{said}")


if __name__ == "__main__":
    main()
