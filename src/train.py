"""Train one model: config -> data -> module -> trainer -> results.

python -m src.train                                  # the default run, on whatever this machine has
python -m src.train data=diabetes net=mlp trainer=gpu
python -m src.train -m net=linear,mlp seed=0,1,2     # six runs
"""

from __future__ import annotations

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from src.cli.command import entry_point
from src.run import Run


def train(cfg: DictConfig, run: Run) -> None:
    """Fit, go back to the best epoch, validate and test; all of it stays in the run's folder."""
    import lightning as L

    from src.config.build import build
    from src.config.preflight import check_run
    from src.console.quiet import quiet

    quiet(but_profiler=cfg.trainer.profiler is not None)
    check_run(cfg)
    data = build(cfg.data)
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    module = build(cfg.module)
    wanted = {
        "progress": cfg.trainer.enable_progress_bar,
        "summary": cfg.trainer.enable_model_summary,
        "animation": cfg.animate,
        "graph": cfg.graph,
    }
    callbacks = [build(spec) for name, spec in cfg.callbacks.items() if spec and wanted.get(name, True)]
    not_twice = {"enable_progress_bar": False, "enable_model_summary": False}  # they would add Lightning's to ours
    trainer = build(cfg.trainer, callbacks=callbacks, default_root_dir=run.folder, **not_twice)

    trainer.fit(module, data, ckpt_path=run.last if run.last.exists() else None)
    val = trainer.validate(module, data, ckpt_path=run.best, verbose=False)
    test = trainer.test(module, data, ckpt_path=run.best, verbose=False)
    run.finish(cfg, {name: score for scores in (*val, *test) for name, score in scores.items()})


@entry_point
def main(cfg: DictConfig) -> float | None:
    """One run; returns the validation score that a sweep may optimize, never a test score."""
    run = Run(HydraConfig.get().runtime.output_dir)
    with run.training(cfg):
        if run.is_finished:
            print(f"{run} was finished before. Its scores:")
        else:
            train(cfg, run)
    run.report()
    return run.results.get(cfg.monitor)


if __name__ == "__main__":
    main()
