"""Score a finished run again, from its folder alone.

python -m src.evaluate outputs/my_run                     # the test split: the run's own test scores
python -m src.evaluate outputs/my_run --split val
python -m src.evaluate outputs/my_run data.batch_size=512 trainer=cpu
"""

from __future__ import annotations

import argparse

from src.cli import command
from src.results import print_scores
from src.run import Run, load_data


def evaluate(run: Run, split: str, overrides: list[str]) -> dict[str, float]:
    """The scores of a run's best weights on one split of its data, the config changed by `overrides`.

    Raises:
        ValueError: a folder that holds no finished run, or a config that does not fit it.
    """
    cfg = run.config(overrides)

    import lightning as L

    from src.build import build
    from src.callbacks.progress import RunProgress
    from src.preflight import check_devices
    from src.quiet import quiet

    quiet()
    check_devices(cfg.trainer.accelerator, cfg.trainer.devices)
    module = run.load()
    data = load_data(cfg, module)
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    if not data.splits[split]:
        raise ValueError(f"--split {split}: data.fractions={data.fractions} left it empty. Try another one.")
    silent = {"enable_progress_bar": False, "logger": False, "default_root_dir": run.folder}
    trainer = build(cfg.trainer, callbacks=[RunProgress()], **silent)
    [scores] = trainer.test(module, data.loader(split), verbose=False) or [{}]
    if not scores:
        raise ValueError("trainer.limit_test_batches=0 leaves nothing to score.")
    return {name.replace("test/", f"{split}/"): value for name, value in scores.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m src.evaluate", description=__doc__.partition("\n")[0])
    parser.add_argument("run", help="the run's folder, such as outputs/my_run")
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="changes to the config of the run")
    parser.add_argument("--split", choices=["train", "val", "test"], default="test", help="what to score it on")
    arguments = parser.parse_intermixed_args()
    with command():
        print_scores(evaluate(Run(arguments.run), arguments.split, arguments.changes))


if __name__ == "__main__":
    main()
