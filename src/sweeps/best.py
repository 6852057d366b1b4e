"""best.yaml in a sweep's folder: what was typed for its best job, as an experiment that runs again."""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from src.config.compose import added_folders, flat
from src.files.atomic import write_text
from src.run.config import WHOLE, shortest, written_config
from src.run.scores import REPEATS
from src.sweeps.job import Job
from src.sweeps.table import differing, ranked, scores

NEEDS = {"data.fold": "data.folds"}  # a key that cannot be without the other


def write_best(folder: Path, jobs: Sequence[Job], monitor: str | None, mode: str, cfg: DictConfig) -> str | None:
    """Write the file, or remove it where no job has a score; returns the command that trains it.

    It is the best job of those with the best mean over REPEATS. Those of REPEATS that the sweep varies are left out.
    """
    file = folder / "best.yaml"
    group = next(iter(ranked(jobs, monitor, mode).values()), [])
    if not (found := scores(group, monitor)):
        file.unlink(missing_ok=True)
        return None
    job = next(job for job in group if job.score(monitor) == (min(found) if mode == "min" else max(found)))
    repeats = [key for key in differing(jobs) if key in REPEATS]
    left_out = {*repeats, *(NEEDS[key] for key in repeats if key in NEEDS)}
    typed = [o for o in OverridesParser.create().parse_overrides(job.overrides) if _key(o) in {*job.values} - left_out]
    command = _command(file, cfg, [_key(o) for o in typed if o.is_delete()])
    mean = f", the mean over {' and '.join(repeats)}" if repeats else ""
    head = f"# @package _global_\n# The best of {shortest(folder)}: {monitor} {statistics.fmean(found):.4g}{mean}.\n"
    text = f"{head}#\n#   {command}\n{_experiment(typed, flat(written_config(job.run.folder)))}"
    if not file.exists() or file.read_text(encoding="utf-8") != text:  # a run of the same file stays newer than it
        write_text(file, text)
    return command


def _experiment(typed: Sequence[Override], config: Mapping[str, Any]) -> str:
    """The YAML. A key's value is that of the job's config, which has a whole list where an item of it was typed."""
    wholes, groups, values = [], [], OmegaConf.create()
    for override in typed:
        key, value = _key(override), override.value()
        if override.is_delete():
            continue
        if isinstance(value, dict) or not GlobalHydra.instance().config_loader().get_group_options(key.split("@")[0]):
            for name in (name for name in config if _is_part(name, key) or _is_part(key, name)):
                OmegaConf.update(values, name, config[name])
        elif key in WHOLE:
            wholes += [f"/{key}/{_anywhere(value)}"] if value else []
        else:
            groups.append({f"{'' if override.is_add() else 'override '}/{key}": _anywhere(value)})
    defaults = [*sorted(wholes, key=lambda name: name.startswith("/debug/")), "_self_", *groups]
    return OmegaConf.to_yaml(OmegaConf.create({"defaults": defaults})) + (OmegaConf.to_yaml(values) if values else "")


def _key(override: Override) -> str:
    return override.get_key_element().lstrip("+")


def _is_part(key: str, whole: str) -> bool:
    return key == whole or key.startswith((f"{whole}.", f"{whole}["))


def _anywhere(choice: Any) -> Any:
    """A choice that is the path of a file is so from every folder."""
    return str(Path(choice).absolute()) if isinstance(choice, str) and choice.endswith(".yaml") else choice


def _command(file: Path, cfg: DictConfig, typed: Sequence[str]) -> str:
    """What trains the file; `typed`: what a YAML cannot say."""
    flags = [word for folder in added_folders(cfg.hydra) for word in ("--config-dir", str(shortest(Path(folder))))]
    return shlex.join(["python", "-m", "src.train", *flags, f"experiment={shortest(file)}", *typed])
