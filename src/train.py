"""Train one model: config -> data -> module -> trainer -> results.

python -m src.train                                  # the default run, on whatever this machine has
python -m src.train data=diabetes net=mlp trainer=gpu
python -m src.train -m net=linear,mlp seed=0,1,2     # six runs
"""

from __future__ import annotations

from omegaconf import DictConfig

from src.cli.command import entry_point
from src.cli.session import composed
from src.config.build import build
from src.config.trust import trusted
from src.run import Run
from src.training import Training


def fit(cfg: DictConfig) -> Run:
    """Fit, go back to the best epoch, validate and test; all of it stays in the run's folder.

    What `cfg` names is the user's own, and is built; of what the folder of a run to go on with names, nothing is.
    """
    training = Training(cfg)
    with trusted(), training.claimed() as run:
        if run.is_finished:
            print(f"{run} was finished before. Its metrics:")
            return run
        import lightning as L

        from src.console.quiet import quiet

        quiet(but_profiler=cfg.trainer.profiler is not None)
        data = build(cfg.data, "data")
        L.seed_everything(cfg.seed, workers=True, verbose=False)
        module, trainer = build(cfg.module, "module"), training.trainer()
        trainer.fit(module, data)
        training.finish(trainer)
    return run


def train(*overrides: str) -> Run:
    """``python -m src.train OVERRIDES`` from a script or a notebook; leaves no state behind in the process.

    Raises:
        UserError: what the user did wrong.
    """
    with composed(*overrides) as cfg:
        return fit(cfg)


@entry_point
def main(cfg: DictConfig) -> float | None:
    """One run; returns the validation metric that a sweep may optimize, never one of the test."""
    run = fit(cfg)
    run.report()
    return run.results.get(cfg.monitor)


if __name__ == "__main__":
    main()
