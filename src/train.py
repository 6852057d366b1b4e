"""Train one model: config -> data -> module -> trainer -> results.

python -m src.train                                  # the default run, on whatever this machine has
python -m src.train data=diabetes net=mlp trainer=gpu
python -m src.train -m net=linear,mlp seed=0,1,2     # six runs
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from src.cli.command import entry_point
from src.cli.session import composed
from src.config.trust import trusted
from src.console.screen import in_sweep
from src.run import Run
from src.run.config import length_of
from src.training import Training
from src.training.describe import show_data


def fit(cfg: DictConfig, command: Sequence[str], trust: bool = True) -> Run:
    """Fit, go back to the best epoch, validate and test; all of it stays in the run's folder.

    Args:
        command: what was typed behind `python -m`: the verb, and its arguments.
        trust: what `cfg` names is the user's own, and is built; else only what src/config/trust.py allows. Of what the
            folder of a run to go on with names, nothing is built.
    """
    training = Training(cfg, command)
    with trusted(trust), training.claimed() as run:
        if run.has_come_to(length_of(cfg)):
            if not in_sweep():
                print(f"{run} was finished before. Its metrics:")
            return run
        data, module, trainer = training.begin()
        trainer.fit(module, data)
        training.finish(trainer)
    return run


def train(*overrides: str) -> Run:
    """``python -m src.train OVERRIDES`` from a script or a notebook; leaves no state behind in the process.

    Raises:
        UserError: what the user did wrong.
    """
    with composed(*overrides) as cfg:
        return fit(cfg, ["src.train", *overrides])


@entry_point
def main(cfg: DictConfig) -> float | None:
    """One run; returns the validation metric that a sweep may optimize, never one of the test."""
    if OmegaConf.select(cfg, "data.describe") is True:
        return show_data(cfg)
    run = fit(cfg, ["src.train", *sys.argv[1:]])
    if not in_sweep():
        run.report()
    return run.results.get(cfg.monitor)


if __name__ == "__main__":
    main()
