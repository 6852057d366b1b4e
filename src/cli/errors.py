"""Errors on the screen: what the user did wrong as a line, all else with its traceback."""

from __future__ import annotations

import difflib
import os
import re
import sys
import time
import traceback

from hydra.errors import (
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from src.cli.arguments import groups
from src.config.compose import CONF, flat
from src.config.quoting import as_text
from src.console.messages import has_lost_a_peer, in_words, nearest
from src.console.screen import is_first_process

# As the user has set it: src.cli.command sets it too, also for processes on other devices.
FULL_ERROR = os.environ.get("HYDRA_FULL_ERROR") == "1" and is_first_process()


class ExplainedError(Exception):
    """An error that the user has read already."""


def words(error: BaseException) -> str | None:
    """What the user did wrong, in a line or two; None if it is no fault of theirs."""
    return in_words(error) or config_error(error)


def explain(error: BaseException) -> None:
    """Tell the user on stderr what went wrong."""
    said = words(error)
    if said is not None and not is_first_process() and _first_says_it(error):
        return
    if said is None or FULL_ERROR:
        traceback.print_exception(error)
    if said is not None:
        print(f"Error: {said}", file=sys.stderr)


def _first_says_it(error: BaseException) -> bool:
    """Whether the process that has started this one, for another device, ends too: then by the same error."""
    if has_lost_a_peer(error):
        return False  # that may have been the first, killed without a word
    parent = os.getppid()
    time.sleep(2)
    return os.getppid() != parent


def config_error(error: BaseException) -> str | None:
    """An error of Hydra's or OmegaConf's in a line, with the nearest keys or choices; None if it is no such error."""
    if "Config group override must be" in str(error):  # Hydra does not say which
        for group, choices in groups().items():
            if f"{group}=null" in sys.argv[1:]:
                return f"{group}=null: choose one of {', '.join(choices)}."
    if not isinstance(error, (HydraException, OmegaConfBaseException)):
        return None
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    if isinstance(cause, (ConfigAttributeError, ConfigKeyError)) and cause.full_key == "search":
        return "The keys of search. belong to a search: add search=optuna."
    if isinstance(cause, (ConfigAttributeError, ConfigKeyError)) and cause.full_key:
        return f"'{cause.full_key}' is not a key of the config.{_nearest_keys(cause)}"
    if isinstance(cause, MissingMandatoryValue):
        return f"{cause.full_key} has no value: type {cause.full_key}=... (what it takes stands in conf/)."
    if isinstance(error, MissingConfigException) and error.options:
        file = str(error.missing_cfg_file)
        group, _, choice = file.rpartition("/") if file.startswith("hydra/") else file.partition("/")
        if "/" in choice or choice.endswith(".yaml"):
            is_path = choice.endswith(".yaml")
            return f"{group}={choice}: {'there is no such file' if is_path else 'the path of a file ends in .yaml'}."
        return f"{group}={choice}: there are {', '.join(error.options)}.{nearest(choice, error.options)}"
    if found := re.match(r"Multiple values for (\S+)\. To override", str(error)):
        typed = next((word[1:] for word in sys.argv if word.startswith(f"+{found[1]}=")), f"{found[1]}=...")
        return f"{found[1]} is chosen already, by what stands in conf/: type {typed} without a plus."
    if found := re.match("Sweep parameters '(.*)' requires --multirun", str(error)):
        return f"{found[1]} makes several runs: add -m, and search=optuna if it is an interval."
    if isinstance(error, OverrideParseException):
        text = as_text(str(error.override))
        hint = f"If its value is a text, type {text}." if text else "python -m src.train --help shows examples."
        return f"'{error.override}' is not KEY=VALUE. {hint}"
    if "Ambiguous value" in str(error):
        typed = str(error).split("'", 1)[1].splitlines()[0].rstrip("'")
        return (
            f"{typed}: several values make several runs: add -m. If the comma is part of a text, type {as_text(typed)}."
        )
    if isinstance(error, InterpolationResolutionError):  # our own resolver refuses a name
        return str(error).splitlines()[0].rpartition("interpolation: ")[2]
    return str(error).strip()


def _nearest_keys(error: ConfigAttributeError | ConfigKeyError) -> str:
    """A sentence with the keys and groups that the one which was not found may have meant, by its last name."""
    asked = flat(error.parent_node._get_root()) if error.parent_node is not None else {}  # what is composed so far
    composed = {key: value for key, value in asked.items() if not key.startswith("hydra.")}
    # What the module only passes on, the user types elsewhere.
    keys = [key for key, value in composed.items() if not (key.startswith("module.") and str(value).startswith("${"))]
    keys += groups()
    parent, _, name = str(error.full_key).rpartition(".")
    if name == "_target_" and parent:
        return f" If {parent} is to be made so, add it with a plus: +{error.full_key}=..."

    def likeness(other: str) -> float:
        other_parent, _, other_name = other.rpartition(".")
        return difflib.SequenceMatcher(None, name, other_name).ratio() + 0.1 * (parent == other_parent)

    close = [k for k in sorted(keys, key=likeness, reverse=True) if likeness(k) > 0.75][:2]
    files = sorted((CONF / parent).glob("*.yaml"))
    others = [f"{parent}={file.stem}" for file in files if name in OmegaConf.load(file)]
    if others:
        return f" It is one with {' or '.join(others)}."
    said = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    return said or " python -m src.train --help lists them all."
