"""The command line: Hydra's entry point, errors in the user's words, exit codes.

Nothing here imports torch, so that `--help` and a misspelt key answer at once.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import (
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

PROJECT = Path(__file__).resolve().parent.parent
CONF = PROJECT / "conf"
FULL_ERROR = os.environ.get("HYDRA_FULL_ERROR") == "1"


def run_folder(name: str | None) -> str:
    """`outputs/name`, or a new folder named by the time, made here so that no two runs can share it."""
    return str(Path("outputs") / str(name)) if name is not None else _new_folder()


@functools.cache  # one per process: all jobs of a sweep share it
def _new_folder() -> str:
    from datetime import datetime
    from itertools import count

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


HYDRA_1_4 = "execution_whitelist" in inspect.signature(hydra.main).parameters
# Hydra 1.4, and the OmegaConf 2.4 that it brings, deprecate what 1.3 needs.
register_resolver: Any = OmegaConf.register_resolver if HYDRA_1_4 else OmegaConf.register_new_resolver
VERSION: dict[str, Any] = {} if HYDRA_1_4 else {"version_base": "1.3"}

register_resolver("run_folder", run_folder, replace=True)
register_resolver("project", lambda path: str(PROJECT / path), replace=True)


def entry_point(task: Callable[[DictConfig], Any]) -> Callable[[], None]:
    """`task(cfg)` as a command with Hydra's overrides and sweeps: exit code 0 only if all was done."""

    @functools.wraps(task)
    def job(cfg: DictConfig) -> Any:
        try:
            return task(cfg)
        except Exception as error:
            explain(error)  # here, since Hydra would tell of a sweep's first failure only, when all jobs have ended
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                raise Explained from error
            sys.exit(1)

    def main() -> None:
        with command():
            try:
                hydra.main(config_path=str(CONF), config_name="train", **VERSION)(job)()
            except OSError as error:
                if isinstance(error, HydraException):  # some of them are
                    raise
                raise ValueError(
                    f"The run's folder {error.filename} cannot be made: {error.strerror}. "
                    "Choose another with name= or hydra.run.dir=."
                ) from error

    return main


class Explained(Exception):
    """An error that the user has been told of."""


@contextmanager
def command() -> Iterator[None]:
    """Inside it an error ends the program: what the user did wrong as a line, the rest with its traceback."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises what it would explain itself
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        yield
    except BrokenPipeError:  # `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Explained:
        sys.exit(1)
    except Exception as error:
        explain(error)
        sys.exit(1)


def _stop(number: int, _: Any) -> None:
    _asked.append(number)
    sys.exit(128 + number)


_asked: list[int] = []


def stop_if_asked() -> None:
    """Obey a signal that came where an exception is lost, in a destructor say."""
    if _asked:
        sys.exit(128 + _asked.pop())


def explain(error: Exception) -> None:
    """Tell the user on stderr what went wrong."""
    words = in_words(error)
    if words is None or FULL_ERROR:
        traceback.print_exception(error)
    if words is not None:
        print(f"Error: {words}", file=sys.stderr)


def in_words(error: BaseException) -> str | None:
    """What the user did wrong, in a line or two; None if it is no fault of theirs."""
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, (HydraException, OmegaConfBaseException)):
        return _config_error(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    if isinstance(error, ValueError) or type(error).__name__ == "MisconfigurationException":
        return str(error)
    return None


def nearest(word: str, words: Iterable[str]) -> str:
    """A sentence with those of `words` that `word` may have meant, or an empty string."""
    close = [w for w in words if w.startswith(word)] or difflib.get_close_matches(word, list(words), n=2)
    return f" Did you mean {' or '.join(map(repr, close[:2]))}?" if close else ""


def _config_error(error: Exception) -> str:
    """Hydra's error in a line, with the nearest keys or choices."""
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    if isinstance(cause, (ConfigAttributeError, ConfigKeyError)) and cause.full_key:
        return f"'{cause.full_key}' is not a key of the config.{_nearest_keys(cause.full_key)}"
    if isinstance(error, MissingConfigException) and error.options:
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        return f"{group}={choice}: there are {', '.join(error.options)}.{nearest(choice, error.options)}"
    if isinstance(error, OverrideParseException):
        return f"'{error.override}' is not KEY=VALUE. python -m src.train --help shows examples."
    return str(error).strip()


def _nearest_keys(key: str) -> str:
    """A sentence with the keys and groups that `key` may have meant, by its last name."""
    choices = [a for a in sys.argv[1:] if (CONF / a.partition("=")[0] / f"{a.partition('=')[2]}.yaml").is_file()]
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(CONF), **VERSION):
        keys = [group.name for group in CONF.iterdir() if group.is_dir()] + list(flat(hydra.compose("train", choices)))
    parent, _, name = key.rpartition(".")

    def likeness(other: str) -> float:
        other_parent, _, other_name = other.rpartition(".")
        return difflib.SequenceMatcher(None, name, other_name).ratio() + 0.1 * (parent == other_parent)

    close = [k for k in sorted(keys, key=likeness, reverse=True) if likeness(k) > 0.75][:2]
    said = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    return said or " python -m src.train --help lists them all."


def flat(cfg: DictConfig) -> dict[str, Any]:
    """`{"data.batch_size": 64, ...}`; interpolations stay as they are written."""

    def walk(node: Any, path: str) -> Iterable[tuple[str, Any]]:
        if isinstance(node, dict) and node:
            for key, value in node.items():
                yield from walk(value, f"{path}.{key}" if path else str(key))
        else:
            yield path, node

    return dict(walk(OmegaConf.to_container(cfg, resolve=False), ""))
