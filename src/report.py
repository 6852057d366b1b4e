"""Compare runs, from their folders: a table in the terminal, a CSV, or a page for the browser.

python -m src.report outputs/study                                    # a sweep; outputs: all runs there are
python -m src.report outputs/study --sort test/accuracy --each
python -m src.report outputs --where net=cnn,mlp optimizer.lr=0.01 --status finished
python -m src.report outputs/study --csv runs.csv --html runs.html
"""

from __future__ import annotations

import argparse
from pathlib import Path

from src.cli.command import command
from src.console import startup
from src.console.numbers import shown
from src.console.screen import notice
from src.files.place import check_place
from src.reports import table
from src.reports.compare import Comparison, chosen
from src.reports.importances import importances
from src.reports.page import check_installed, write_page
from src.reports.records import read_records, text
from src.run.config import shortest

MOST_FAILURES = 10  # that are told
SMALLEST = 0.01  # share of a setting that is told


def report(comparison: Comparison) -> None:
    """Print the table, which settings matter, what trains the best of its runs again, and why others have failed."""
    from rich.console import Console

    console = Console()
    said = table.lines(comparison, console.width if console.is_terminal else None)
    best, shares = comparison.best, importances(comparison)
    if any(record.status != "finished" for record in comparison.records):
        said += ["", table.counts(comparison.records)]
    if shares:
        parts = [f"{key} {share:.0%}" for key, share in shares.items() if share >= SMALLEST]
        said += ["", f"What decides {comparison.score}: {', '.join(parts)}"]
    if best:
        value = shown(best.metrics[comparison.score])
        said += ["", f"{comparison.best_in_words}, {value}: {shortest(best.folder)}", table.command(best)]
    failed = [record for record in comparison.records if record.status == "failed"]
    said += [""] if failed else []
    said += [f"Failed: {shortest(record.folder)}: {table.reason(record)}" for record in failed[:MOST_FAILURES]]
    said += [f"{len(failed) - MOST_FAILURES} more have failed."] if failed[MOST_FAILURES:] else []
    print("\n".join(map(text, said)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m src.report", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="+", help="a run, a sweep, or any folder above them, such as outputs")
    parser.add_argument("--sort", metavar="KEY", help="a metric or setting; default: the monitor of the runs")
    parser.add_argument("--reverse", action="store_true", help="the worst, or the largest setting, first")
    parser.add_argument(
        "--status", help="only these: finished, failed, pruned, running, unfinished (running or interrupted)"
    )
    parser.add_argument("--where", nargs="+", default=[], metavar="KEY=VALUE", help="only these, such as net=cnn,mlp")
    parser.add_argument("--each", action="store_true", help="no means over seed and data.fold: every run")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write every run with all its metrics")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with curves and pictures")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    with command():
        if arguments.csv:
            check_place(f"--csv {arguments.csv}", arguments.csv, ".csv")
        if arguments.html:
            check_place(f"--html {arguments.html}", arguments.html, ".html")
            check_installed(f"--html {arguments.html}")
        records = read_records(arguments.folder)
        startup.end()
        records = chosen(records, arguments.status, arguments.where)
        comparison = Comparison(records, arguments.sort, arguments.each, arguments.reverse)
        report(comparison)
        if arguments.csv:
            table.write_csv(arguments.csv, comparison)
            notice(f"{arguments.csv}: {len(records)} runs")
        if arguments.html:
            write_page(arguments.html, comparison)
            notice(f"{arguments.html}: open it in a browser")


if __name__ == "__main__":
    main()
