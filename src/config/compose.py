"""The config in conf/: composed, flattened, with the resolvers that it uses; for Hydra 1.3 and 1.4.

Nothing here imports torch, so that `--help` and a misspelt key are answered at once.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from src.config.quoting import quoted
from src.console.messages import UserError

PROJECT = Path(__file__).resolve().parent.parent.parent
CONF = PROJECT / "conf"
sys.path.append(str(PROJECT / "src" / "plugins"))  # Hydra takes sweepers from a package hydra_plugins alone

HYDRA_1_4 = "execution_whitelist" in inspect.signature(hydra.main).parameters
# Hydra 1.4, and the OmegaConf 2.4 that it brings, deprecate what 1.3 needs.
register_resolver: Any = OmegaConf.register_resolver if HYDRA_1_4 else OmegaConf.register_new_resolver
VERSION: dict[str, Any] = {} if HYDRA_1_4 else {"version_base": "1.3"}


_in_use: str | None = None


def compose(*overrides: str, with_hydra: bool = False) -> DictConfig:
    """conf/train.yaml with `KEY=VALUE`s, outside of an entry point; `with_hydra`: and Hydra's own settings."""
    outer, GlobalHydra.instance().hydra = GlobalHydra.instance().hydra, None
    try:
        with hydra.initialize_config_dir(str(CONF), **VERSION):
            return hydra.compose("train", quoted(overrides), return_hydra_config=with_hydra)
    finally:
        GlobalHydra.instance().hydra = outer


def flat(cfg: DictConfig) -> dict[str, Any]:
    """`{"data.batch_size": 64, ...}`; interpolations stay as they are written."""
    return dict(leaves(OmegaConf.to_container(cfg, resolve=False)))


def without_hydra(cfg: DictConfig) -> DictConfig:
    """The config of a run, of one that has Hydra's own settings too."""
    return OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"])


def added_folders(hydra_cfg: Any) -> list[str]:
    """Those of --config-dir, as Hydra's part of a config knows them."""
    return [source.path for source in hydra_cfg.runtime.config_sources if source.provider == "command-line"]


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of nested dicts with its key, such as data.batch_size."""
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from leaves(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, node


def run_folder(name: Any) -> str:
    """`outputs/name`, or a new folder named by the time, made here so that no two runs can share it."""
    if name is None:
        return _in_use or new_folder()
    path = Path(str(name))
    if not isinstance(name, (str, int, float)) or not path.parts or path.is_absolute() or ".." in path.parts:
        raise UserError(f"name={name}: a name is that of a folder in outputs/. hydra.run.dir= puts a run anywhere.")
    return str(Path("outputs") / path)


def use_folder(folder: str) -> None:
    """Let this be the new folder in this process, which works for the one that has made it."""
    global _in_use
    _in_use = folder


@functools.cache  # one per command: all jobs of a sweep share it
def new_folder() -> str:
    """`outputs/<date and time>`, made here so that no two runs can share it."""
    stamp = f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    for i in count():
        folder = Path("outputs") / (f"{stamp}_{i}" if i else stamp)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError:
            pass  # Hydra will meet it too, where we can tell the user
        return str(folder)
    raise AssertionError


register_resolver("run_folder", run_folder, replace=True)
register_resolver("project", lambda path: str(PROJECT / path), replace=True)
# Any number of metrics may be named there without Hydra's plus: metrics.kappa._target_=torchmetrics.CohenKappa.
ConfigStore.instance().store(group="metrics", name="own", node=DictConfig({}, flags={"struct": False}))
