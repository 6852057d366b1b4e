"""How fast is training? Bare loops, Kindling and Lightning's defaults at the same job, in turns.

python -m src.benchmark                                              # the default run
python -m src.benchmark experiment=benchmark_mlp out=bench.json
python -m src.benchmark data=wine net=linear rounds=9 epochs=20
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from src.cli.command import command
from src.console.messages import UserError
from src.files.place import check_place

HELP = """
Words to the command: out=bench.json (its picture is bench.png), rounds=5, and
epochs=3, those of a round, which is short for trainer.max_epochs=3. All else is
a KEY=VALUE of python -m src.train. Early stopping is off.

bench.json is flat, medians of all rounds:
  ratio/kindling           its time as a multiple of the bare loop's
  ratio/tutorial           a loop with TensorDataset and DataLoader
  ratio/lightning          Lightning's defaults, self.log at each step
  ratio/data               Kindling's batches alone, nothing done with them
  least/ most/ spread/     of these ratios over the rounds (most less least)
  seconds_per_epoch/ step_ms/ samples_per_second/   with validation
  parts_ms/                of a step of Kindling; framework is the rest
  start/                   seconds up to the first step, by part
  ratio/start              all of them, to python -c "import torch, lightning"
  memory/                  peaks, MB: of python -m src.train, and of it all
"""


class Words(NamedTuple):
    """What is said to the command, and to the config.

    Attributes:
        out: where the results are written; None: nowhere.
        rounds: how often each contestant trains.
    """

    out: Path | None
    rounds: int
    overrides: list[str]


def asked_for(typed: Sequence[str]) -> Words:
    """Tell words to the command from overrides of the config.

    Raises:
        UserError: a word that cannot be.
    """
    words = {word.partition("=")[0]: word.partition("=")[2] for word in typed}
    overrides = [word for word in typed if word.partition("=")[0] not in ("out", "rounds", "epochs")]
    for name in ("rounds", "epochs"):
        if name in words and not (words[name].isdecimal() and int(words[name])):
            raise UserError(f"{name}={words[name]}: a whole number is needed, at least 1.")
    if "epochs" in words:
        overrides.append(f"trainer.max_epochs={words['epochs']}")
    out = Path(words["out"]) if "out" in words else None
    if out:
        check_place(f"out={out}", out, ".json")
    return Words(out, int(words.get("rounds", "5")), [*overrides, "callbacks.early_stopping=null"])


def benchmark(rounds: int, overrides: Sequence[str]) -> dict[str, Any]:
    """Flat results, as `--help` says.

    Raises:
        UserError: the config is wrong, or cannot be compared.
    """
    from src.config.compose import compose

    cfg = compose(*overrides, with_hydra=True)

    from src.benchmarking.measure import TURNS, rounds_of
    from src.benchmarking.startup import IMPORTS, TIMES, peak_memory, startup
    from src.console.screen import progress

    turns = 0
    with progress("benchmark", total=TURNS * (rounds + 1) + TIMES * (len(IMPORTS) + 1)) as shown:

        def done() -> None:
            nonlocal turns
            turns += 1
            shown(turns)

        results = rounds_of(cfg, rounds, done)
        results["memory/all"] = peak_memory()
        return results | startup(overrides, done)


def write(results: dict[str, Any], out: Path) -> None:
    """The results, and their picture beside them."""
    from src.files.atomic import written_whole
    from src.files.results import write_results
    from src.plots.sheet import DPI
    from src.plots.speed import draw_speed

    with written_whole(out.with_suffix(".png")) as partial:
        draw_speed(results).savefig(partial, dpi=DPI)
    write_results(out, **results)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m src.benchmark",
        description=__doc__,
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "words", nargs="*", default=[], metavar="KEY=VALUE", help="as for python -m src.train; out= rounds= epochs="
    )
    typed = parser.parse_intermixed_args().words
    with command():
        words = asked_for(typed)
        results = benchmark(words.rounds, words.overrides)

        from src.benchmarking.report import report

        report(results)
        if words.out:
            write(results, words.out)
            print(words.out)


if __name__ == "__main__":
    main()
