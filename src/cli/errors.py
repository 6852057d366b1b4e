"""Errors in the user's words: what is wrong, and what to type instead.

A ValueError, or an error of Hydra's, is what the user did; all else is our fault and keeps its traceback.
"""

from __future__ import annotations

import difflib
import os
import sys
import traceback
from pathlib import Path

from hydra.errors import HydraException, InstantiationException, MissingConfigException, OverrideParseException
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from src.config.compose import CONF, compose, flat
from src.console.messages import nearest

FULL_ERROR = os.environ.get("HYDRA_FULL_ERROR") == "1"  # as the user has set it: src.cli.command sets it too


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
    if "Config group override must be" in str(error):  # Hydra does not say which
        for group in (argument.removesuffix("=null") for argument in sys.argv[1:]):
            if (CONF / group).is_dir():
                choices = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
                return f"{group}=null: choose one of {', '.join(choices)}."
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    if isinstance(error, ValueError) or type(error).__name__ == "MisconfigurationException":
        return _said(error) if _was_raised_on_purpose(error) else None
    return None


def _was_raised_on_purpose(error: BaseException) -> bool:
    """Whether it comes from a `raise`: Python raises a ValueError by itself too, such as for a wrong `a, b = x`."""
    frames = traceback.extract_tb(error.__traceback__)
    return not frames or not frames[-1].line or frames[-1].line.lstrip().startswith("raise")


def _said(error: BaseException) -> str:
    """The error's text; torch puts the whole traceback into that of an error in a process that loads."""
    text = str(error)
    return (
        text.rpartition("\nValueError: ")[2].strip()
        if text.startswith("Caught ValueError in DataLoader worker")
        else text
    )


def where(error: BaseException) -> str:
    """File and line of the last step that was not taken inside a library."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "a library"


def _config_error(error: Exception) -> str:
    """Hydra's error in a line, with the nearest keys or choices."""
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    if isinstance(cause, (ConfigAttributeError, ConfigKeyError)) and cause.full_key:
        return f"'{cause.full_key}' is not a key of the config.{_nearest_keys(cause.full_key)}"
    if isinstance(cause, MissingMandatoryValue):
        return f"{cause.full_key} has no value: type {cause.full_key}=... (what it takes stands in conf/)."
    if isinstance(error, MissingConfigException) and error.options:
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        return f"{group}={choice}: there are {', '.join(error.options)}.{nearest(choice, error.options)}"
    if isinstance(error, OverrideParseException):
        return f"'{error.override}' is not KEY=VALUE. python -m src.train --help shows examples."
    if isinstance(error, InterpolationResolutionError):  # our own resolver refuses a name
        return str(error).splitlines()[0].rpartition("interpolation: ")[2]
    return str(error).strip()


def _nearest_keys(key: str) -> str:
    """A sentence with the keys and groups that `key` may have meant, by its last name."""
    choices = [a for a in sys.argv[1:] if (CONF / a.partition("=")[0] / f"{a.partition('=')[2]}.yaml").is_file()]
    keys = [group.name for group in CONF.iterdir() if group.is_dir()] + list(flat(compose(*choices)))
    keys = [key for key in keys if not key.startswith("module.")]  # those refer to the keys that a user types
    parent, _, name = key.rpartition(".")

    def likeness(other: str) -> float:
        other_parent, _, other_name = other.rpartition(".")
        return difflib.SequenceMatcher(None, name, other_name).ratio() + 0.1 * (parent == other_parent)

    close = [k for k in sorted(keys, key=likeness, reverse=True) if likeness(k) > 0.75][:2]
    said = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    return said or " python -m src.train --help lists them all."
