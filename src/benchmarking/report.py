"""The results of a benchmark on the screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from src.benchmarking.measure import CONTESTANTS
from src.plots.speed import START, STEP

NAMES = {
    "bare": "bare loop",
    "tutorial": "DataLoader loop",
    "kindling": "Kindling",
    "lightning": "Lightning defaults",
    "data": "Kindling's data",
}


def report(results: Mapping[str, Any]) -> None:
    """Print the results as a table, and a line each for a step's parts, the start and memory."""
    console = Console(highlight=False, width=80)
    with console.capture() as capture:
        console.print(
            f"{results['examples']:,} examples in batches of {results['batch_size']}, "
            f"{results['steps_per_epoch']:,} optimizer steps an epoch; {results['device']}\n"
            f"{results['rounds']} rounds of {results['epochs']} epochs; threads: {results['threads']}"
        )
        console.print(_table(results))
        console.print("same weights: yes")
        console.print(f"A step of Kindling, ms: {_parts(results, 'parts_ms', {part: part for part in STEP})}")
        if "start/all" in results:
            start = f"{results['start/all']:.2f} s, {results['ratio/start']:.2f} x import torch, lightning"
            console.print(f"Up to the first step {start}: {_parts(results, 'start', START)}")
            memory = f"{results['memory/kindling']:,.0f} MB; of this process {results['memory/all']:,.0f} MB"
            console.print(f"Peak of memory of python -m src.train in an epoch: {memory}")
    print(capture.get(), end="")


def _table(results: Mapping[str, Any]) -> Table:
    table = Table("an epoch of")
    for column in ("ratio", "least", "most", "seconds", "ms a step", "samples/s"):
        table.add_column(column, justify="right")
    for name in (*CONTESTANTS, "data"):
        ratios = [f"{results[f'{kind}/{name}']:.2f}" for kind in ("ratio", "least", "most")]
        per_second = f"{results[f'samples_per_second/{name}']:,.0f}"
        seconds, step = results[f"seconds_per_epoch/{name}"], results[f"step_ms/{name}"]
        table.add_row(NAMES[name], *ratios, f"{seconds:.4g}", f"{step:.4g}", per_second)
    return table


def _parts(results: Mapping[str, Any], kind: str, names: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {results[f'{kind}/{part}']:.3g}" for part, name in names.items())
