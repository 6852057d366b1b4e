"""Score a finished run again, from its folder alone, with 95 % confidence intervals.

python -m src.evaluate outputs/my_run                     # the test split: the run's own test metrics
python -m src.evaluate outputs/my_run --split val
python -m src.evaluate outputs/my_run data.path=new.csv   # all of a new file, with the right answers in it
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple

from omegaconf import OmegaConf

from src.cli.command import command
from src.console import startup
from src.console.messages import UserError
from src.console.numbers import shown
from src.console.screen import notice
from src.files.results import print_metrics
from src.run import Run, asked_for, require

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from src.datamodule import DataModule


class Estimate(NamedTuple):
    """A metric, and the ends of its confidence interval; None for the loss."""

    value: float
    interval: tuple[float, float] | None

    def __str__(self) -> str:
        between = f"   95 % between {shown(self.interval[0])} and {shown(self.interval[1])}" if self.interval else ""
        return f"{shown(self.value)}{between}"


def evaluate(run: Run, split: str | None, overrides: list[str], resamples: int | None = None) -> dict[str, Estimate]:
    """The metrics of a run's best weights on one split of its data, the config changed by `overrides`.

    Args:
        split: train | val | test; None: test. Data that the run does not know have no splits: all are scored.
        resamples: for the confidence intervals; None: 1000, or fewer for very many examples; 0: no intervals.

    Raises:
        UserError: a folder that holds no finished run, or a config that does not fit it.
    """
    cfg = run.config(overrides)

    import lightning as L
    import torch

    from src.callbacks.collect import Collect
    from src.callbacks.progress import RunProgress
    from src.config.preflight import check_devices
    from src.config.trust import trusted
    from src.console.quiet import quiet
    from src.learning.intervals import intervals
    from src.module import SupervisedModule
    from src.training.trainer import build_trainer

    quiet()
    check_devices(cfg.trainer.accelerator, cfg.trainer.devices)
    module = run.load()
    require(module, "test_step", "src.evaluate")
    data = _data(run, cfg)
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    if data.all_for_test and split is not None:
        raise UserError(f"--split {split}: {cfg.data.path} is new to the run, so all of it is scored.")
    split = split or "test"
    if not data.splits[split]:
        raise UserError(f"--split {split}: data.fractions={data.splitting.fractions} left it empty. Try another one.")
    has_intervals = isinstance(module, SupervisedModule) and resamples != 0
    collect = [Collect()] if has_intervals else []
    callbacks = [RunProgress(enabled=cfg.trainer.enable_progress_bar), *collect]
    with trusted(run.trust):
        trainer = build_trainer(cfg, callbacks=callbacks, logger=False, default_root_dir=run.folder)
    startup.end()
    [metrics] = trainer.test(module, data.loader(split), verbose=False) or [{}]
    if not metrics:
        raise UserError("trainer.limit_test_batches=0 leaves nothing to score.")
    with torch.no_grad():
        ends = intervals(module.task, *collect[0].all(), resamples) if has_intervals else {}
    names = {name: name.removeprefix("test/") for name in metrics}
    return {f"{split}/{names[name]}": Estimate(value, ends.get(names[name])) for name, value in metrics.items()}


def _data(run: Run, cfg: DictConfig) -> DataModule:
    """The run's own data, or those of another `data.path`, unless that holds the same examples."""
    path = OmegaConf.select(cfg, "data.path")
    if path == OmegaConf.select(run.config(), "data.path"):
        data = run.data(cfg)
        if data.description.fingerprint != run.description.fingerprint:
            changed = f"{data.source} is not as it was when the run was trained"
            notice(f"{changed}: examples that it has learnt from may be among those scored.")
        return data
    data = run.data(cfg, all_for_test=True)
    if data.description.fingerprint == run.description.fingerprint:
        notice(f"{path} holds the examples that the run was trained with, so they are split as they were then.")
        return run.data(cfg)
    notice(f"All {len(data.splits['test'])} examples of {path} are scored.")
    return data


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m src.evaluate", description=__doc__.partition("\n")[0])
    parser.add_argument("run", help="the run's folder, such as outputs/my_run")
    parser.add_argument(
        "changes", nargs="*", default=[], metavar="KEY=VALUE", help="changes to the config of the run; trust=true"
    )
    parser.add_argument("--split", choices=["train", "val", "test"], help="what to score it on; default: test")
    resamples = "draws for the confidence intervals; default: 1000; 0: none"
    parser.add_argument("--resamples", type=int, metavar="N", help=resamples)
    arguments = parser.parse_intermixed_args()
    with command():
        if arguments.resamples is not None and arguments.resamples < 0:
            raise UserError(f"--resamples {arguments.resamples}: at least 0.")
        run, changes = asked_for(arguments.run, arguments.changes)
        estimates = evaluate(run, arguments.split, changes, arguments.resamples)
        print_metrics({name: str(estimate) for name, estimate in estimates.items()})


if __name__ == "__main__":
    main()
