"""The config in a run's folder, which may be damaged, moved, or a stranger's."""

from __future__ import annotations

import os
import re
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from src.config.compose import CONF, compose, flat
from src.config.quoting import quoted
from src.console.messages import UserError, first_line, nearest
from src.files.atomic import write_text

WHOLE = ("experiment", "debug")  # groups that may set any key, another group too
# By these, and what is in them, nothing changes in a run.
OF_THE_SWEEP = ("name", "trusted", "retry_failed", "max_failures", "search", "launcher", "hydra")
Length = dict[str, int | None]  # of a run, by the keys of trainer in LENGTH
LENGTH = ("max_epochs", "max_steps")
# What this file and the verbs ask for without more ado.
PARTS = ("data", "module", "task", "trainer")
NEEDED = ("seed", "data.batch_size", "data.num_workers", "trainer.accelerator", "trainer.devices")


def written_config(folder: Path) -> DictConfig:
    """The config in a run's folder as it is written: nothing in it is looked up.

    Raises:
        UserError: there is none, or it is damaged.
    """
    file = folder / ".hydra" / "config.yaml"
    if not file.is_file():
        if above := next((parent for parent in folder.parents if (parent / ".hydra" / "config.yaml").is_file()), None):
            raise UserError(f"{shortest(folder)} lies in the folder of a run. Name that: {shortest(above)}.")
        there = "" if folder.is_dir() else ", it does not exist"
        raise UserError(f"{shortest(folder)} is not the folder of a run{there}.")
    cfg = _read(file)
    written: Any = OmegaConf.to_container(cfg, resolve=False)
    for key in (*PARTS, *NEEDED):
        part, _, name = key.rpartition(".")
        within = written[part] if part else written
        if name not in within or (key in PARTS and not isinstance(within[name], dict)):
            raise _damaged(file, f"it holds no {key}")
    _find_files(cfg, folder)
    return cfg


def write_config(folder: Path, cfg: DictConfig) -> None:
    """Write .hydra/ in a run's folder: the config, Hydra's own, and the overrides."""
    (folder / ".hydra").mkdir(parents=True, exist_ok=True)
    hydra_cfg = HydraConfig.instance().cfg
    for name, part in {"hydra": hydra_cfg, "overrides": HydraConfig.get().overrides.task, "config": cfg}.items():
        write_text(folder / ".hydra" / f"{name}.yaml", OmegaConf.to_yaml(part))


def apply_changes(cfg: DictConfig, overrides: list[str]) -> None:
    """Change a run's config by `KEY=VALUE`s of data and trainer; GROUP=CHOICE takes a whole group anew.

    Raises:
        UserError: a key of another group, or one that is not there.
    """
    OmegaConf.set_struct(cfg, True)
    for override in OverridesParser.create().parse_overrides(quoted(overrides)):
        key = override.get_key_element()
        if key.partition(".")[0] not in ("data", "trainer"):
            is_key = "." in key or key in cfg
            hint = "" if is_key else nearest(key, [*flat(cfg), "trust"])
            raise UserError(f"{override.input_line}: only data and trainer of a finished run can change.{hint}")
        if (CONF / key).is_dir():
            OmegaConf.update(cfg, key, _group(cfg, key, str(override.input_line)), merge=False)
        else:
            OmegaConf.update(cfg, key, override.value())


def length_of(cfg: DictConfig) -> Length:
    """The epochs and steps that a run with this config is to have."""
    return {name: cfg.trainer[name] for name in LENGTH}


def is_of_the_sweep(key: str) -> bool:
    """Whether a key, such as search.n_trials or hydra/launcher, is no job's own."""
    return re.split("[./]", key)[0] in OF_THE_SWEEP


def shortest(folder: Path) -> Path:
    """The path of a folder in the words of who types it: relative, if it lies below the current one."""
    path = os.path.relpath(folder)
    return folder if path.startswith("..") else Path(path)


def _group(cfg: DictConfig, key: str, override: str) -> DictConfig:
    """Another choice of a whole group; data are split as the run's are, and stay unseen."""
    from src.datasets.splits import Splitting

    choice = compose(override)[key]
    if key == "data":
        choice.update({field.name: cfg.data[field.name] for field in fields(Splitting)})
    return choice


def _find_files(cfg: DictConfig, folder: Path) -> None:
    """Files that a relative path named where the run was started: the run may be used from anywhere."""
    written = cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=False))
    values = {f"data.{key}": value for key, value in written["data"].items() if str(key).endswith("path")}
    values["weights"] = written.get("weights")
    paths = {key: value for key, value in values.items() if isinstance(value, str) and "${" not in value}
    for key, value in paths.items():
        if not Path(value).exists() and (there := Path(_start(folder), value)).exists():
            OmegaConf.update(cfg, key, str(there))


def _start(folder: Path) -> str:
    """The folder in which the run was started."""
    file = folder / ".hydra" / "hydra.yaml"
    written: Any = OmegaConf.to_container(_read(file), resolve=False)
    try:
        return str(written["hydra"]["runtime"]["cwd"])
    except (KeyError, TypeError) as error:
        raise _damaged(file, "it holds no hydra.runtime.cwd") from error


def _read(file: Path) -> DictConfig:
    try:
        cfg = OmegaConf.load(file)
    except (YAMLError, UnicodeDecodeError, OmegaConfBaseException, RecursionError, OSError) as error:
        raise _damaged(file, first_line(error)) from error
    if not isinstance(cfg, DictConfig):
        raise _damaged(file, "it holds no keys")
    return cfg


def _damaged(file: Path, why: str) -> UserError:
    file = shortest(file.parent.parent) / ".hydra" / file.name
    return UserError(f"{file} is damaged: {why}. Put back a copy of it, or train the run again with another name=.")
