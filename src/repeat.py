"""Train a finished run again, from its folder alone, and say whether it comes out the same, bit for bit.

python -m src.repeat outputs/my_run                 # in outputs/my_run_repeated
python -m src.repeat outputs/my_run -o outputs/again
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from src.cli.command import command
from src.config.check import is_whole
from src.console.messages import UserError
from src.console.numbers import shown
from src.console.screen import is_first_process, notice
from src.files.results import print_metrics
from src.run import Run, asked_for
from src.run.config import LENGTH, Length, length_of


def repeat(run: Run, folder: Path, typed: Sequence[str]) -> Run:
    """Train with the config of `run` in another folder; what was interrupted there goes on.

    A run that was given more epochs is trained as it was: to the end of its first ones, then of the next.

    Args:
        typed: the command, behind `python -m`.

    Raises:
        UserError: no finished run, or one that is no longer as it was scored; a folder with a finished run, or other
            files; whatever a run may raise.
    """
    _ = run.checkpoint  # is it finished, and whole?
    if run.results["status"] == "pruned":
        raise UserError(f"{run} was pruned by its search: what would come out of the whole run is not known.")
    cfg, again = run.config(), Run(folder, run.trust)
    if not run.has_come_to(length_of(cfg)):
        raise UserError(f"{run} was given more epochs, and is not finished with them. Repeat its command first.")
    if again.has_come_to(length_of(cfg)):
        raise UserError(f"{again} is finished already. Remove it, or choose another folder: -o.")

    from src.cli.session import job
    from src.config.compose import PROJECT
    from src.config.trust import own_packages
    from src.files.origin import made_with
    from src.train import fit

    others = _other_code(run.results, made_with(PROJECT))
    if others:
        notice(f"{run} was made with other code, and may come out otherwise: {', '.join(others)}.")
    OmegaConf.update(cfg, "trusted", list(own_packages()), force_add=True)  # that is no folder's to say
    lengths = [*_lengths_before(run), length_of(cfg)]
    done = next((number for number, length in enumerate(lengths, 1) if again.has_come_to(length)), 0)
    for length in lengths[done:]:
        cfg.trainer.update(length)
        with job(_job_of(run), folder.absolute()):
            fit(cfg, typed, run.trust)
    return again


def _job_of(run: Run) -> DictConfig:
    """Hydra's part of a config, with what was chosen and typed for this run, as a report shows it."""
    from src.config.compose import compose

    cfg, before = compose(with_hydra=True), OmegaConf.load(run.folder / ".hydra" / "hydra.yaml")
    with read_write(cfg.hydra), open_dict(cfg.hydra):
        for key in ("hydra.runtime.choices", "hydra.overrides.task"):
            OmegaConf.update(cfg, key, OmegaConf.select(before, key), merge=False)
    return cfg


def difference(run: Run, again: Run) -> str | None:
    """The first thing in which two runs differ, in the order in which they came to be; None if in nothing."""
    from src.files.history import history_of, read_history

    rows, now = ({row["epoch"]: row for row in read_history(history_of(r.folder))} for r in (run, again))
    for epoch in sorted(rows.keys() & now.keys()):
        for name, was in rows[epoch].items():
            value = now[epoch].get(name)
            if name != "seconds" and repr(was) != repr(value):
                return f"{name} of epoch {epoch} is {value} (it was {was})"
    was, is_now = run.checkpoint["state_dict"], again.checkpoint["state_dict"]
    for name in {**was, **is_now}:
        if name not in was or name not in is_now or not _same(was[name], is_now[name]):
            return f"{name} in best.ckpt differs"
    for name, value in _metrics(run).items():
        if _metrics(again).get(name) != value:
            return f"{name} is {_metrics(again).get(name)} (it was {value})"
    return None


def reasons(run: Run, again: Run) -> list[str]:
    """Why a run may have come out otherwise."""
    import torch

    before, now = run.results, again.results
    said = _other_code(before, now)
    if before.get("fingerprint") not in (None, now.get("fingerprint")):
        said.insert(0, "other data: they have changed since")
    if "went_on_with" in before:
        said.append("it was interrupted, and went on with other code than it began with")
    if torch.cuda.is_available() and not OmegaConf.select(run.config(), "trainer.deterministic"):
        said.append("a GPU, which gives the same weights every time with trainer.deterministic=true only")
    return said or ["another processor: data, code and versions are the same"]


def report(run: Run, again: Run) -> None:
    """Print each metric beside the old one.

    Raises:
        UserError: anything differs.
    """
    before, said = _metrics(run), {}
    for name, value in _metrics(again).items():
        is_same = value is not None and value == before.get(name)
        said[name] = f"{shown(value)}   as before" if is_same else f"{value}   it was {before.get(name)}"
    print_metrics(said)
    first = difference(run, again)
    if first:
        raise UserError(f"{again} is another run: {first}.\nThe likely reason: {'; '.join(reasons(run, again))}.")
    print(f"{again}  the same as {run}, bit for bit")


def _lengths_before(run: Run) -> list[Length]:
    """Those with which a run was finished before it was given more epochs, one after the other.

    Raises:
        UserError: results.json names what is no length.
    """
    lengths = run.results.get("went_on_from", [])
    if not (isinstance(lengths, list) and all(map(_is_length, lengths))):
        raise UserError(f"{run}/results.json is damaged: went_on_from is no list of lengths.")
    return [{name: length.get(name) for name in LENGTH} for length in lengths]


def _is_length(value: Any) -> bool:
    return isinstance(value, dict) and all(n is None or is_whole(n, least=-1) for n in map(value.get, LENGTH))


def _other_code(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    from src.callbacks.made_with import other_code

    return other_code(before, now)


def _metrics(run: Run) -> dict[str, Any]:
    return {name: value for name, value in run.results.items() if "/" in name}


def _same(one: Any, other: Any) -> bool:
    """Bit for bit, not-a-number too."""
    import torch

    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return torch.equal(*(tensor.contiguous().reshape(-1).view(torch.uint8) for tensor in (one, other)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m src.repeat", description=__doc__.partition("\n")[0])
    parser.add_argument("run", help="the run's folder, such as outputs/my_run")
    parser.add_argument(
        "changes", nargs="*", default=[], metavar="trust=true", help="build whatever it names: you trust its author"
    )
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", help="where it is trained; default: that of the run, _repeated"
    )
    arguments = parser.parse_intermixed_args()
    with command():
        run, changes = asked_for(arguments.run, arguments.changes)
        if changes and is_first_process():  # Lightning gives other processes more
            raise UserError(f"{changes[0]}: a run is repeated as it was. python -m src.train trains another.")
        folder = arguments.output or f"{os.path.abspath(arguments.run)}_repeated"  # noqa: PTH100 it may end in ..
        again = repeat(run, Path(folder), ["src.repeat", *sys.argv[1:]])
        if is_first_process():
            report(run, again)


if __name__ == "__main__":
    main()
