"""A config's values against the type hints of what they are given to, before anything is built.

YAML key = Python parameter, so the types stand once, in Python.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from omegaconf import Container, OmegaConf

from src.config.build import HYDRAS_OWN, key_of, locate, parameters_of, shown
from src.console.messages import UserError, nearest
from src.console.quotes import for_hydra, for_shell

# Keys beside a target's own parameters, by the key of the spec: they are taken out, or seen to, before it is built.
TIMING = ("interval", "frequency", "monitor")  # when Lightning calls a scheduler
BESIDE = {"scheduler": TIMING, "optimizer": ("groups",), "loss": ("weight",), "trainer": ("check_val_every_n_epoch",)}
LENGTHS = ("T_max", "total_steps")  # of a scheduler: null is counted
FILLED_IN = (*LENGTHS, "mode")  # where these are null: they follow from the run's length and the monitor


def is_whole(value: Any, least: int) -> bool:
    """Whether it is a whole number from `least`; true is none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def check(cfg: Container, *parts: str) -> None:
    """Check every `_target_` in `cfg` and the values given to it.

    Args:
        parts: of these alone, such as data; none: of all.

    Raises:
        UserError: naming the key, its value and what it takes.
    """
    for key in sorted(OmegaConf.missing_keys(cfg)):
        raise UserError(f"{key} has no value: type {key}=... (what it takes stands in conf/).")
    for key in ("data", "module", "task", "trainer"):
        if not OmegaConf.is_dict(cfg[key]):
            raise UserError(f"{key}={shown(cfg[key])}: every run needs it.")
    if OmegaConf.select(cfg, "callbacks.early_stopping.monitor", default="") is None:
        raise UserError("monitor=null leaves early stopping nothing to watch. Add callbacks.early_stopping=null.")
    for path, node in _specs(cfg, ""):
        if parts and path.partition(".")[0] not in parts:
            continue
        check_parameters(path, node["_target_"], {k: v for k, v in node.items() if k != "_target_"}, node)


def check_parameters(path: str, target: str, values: Mapping[str, Any], node: Any = None) -> None:
    """Check `values` against the parameters of `target`; `path` is the key in the config that holds them."""
    function = locate(path, target)
    (takes, takes_any), hints = parameters_of(path, target), _hints(function)
    for name, value in values.items():
        if name in HYDRAS_OWN or name in BESIDE.get(path, ()) or (name in FILLED_IN and value is None):
            continue
        if not takes_any and name not in takes:
            if node is not None and OmegaConf.is_interpolation(node, name):
                continue  # it is passed on to those that take it
            raise UserError(f"{path}.{name}: {target} has no such parameter.{nearest(name, takes)}")
        if name in hints and not _fits(value, hints[name]):
            key = key_of(path, name, node)
            raise UserError(
                f"{key}={shown(value)}: {_words(hints[name])} is needed.{_as_text(key, value, hints[name])}"
            )


def _specs(node: Any, path: str) -> Iterable[tuple[str, Any]]:
    """Every node with a `_target_`, where it is written (not where it is referred to)."""
    if OmegaConf.is_dict(node) and "_target_" in node:
        yield path, node
    if OmegaConf.is_config(node):
        keys = list(node) if OmegaConf.is_dict(node) else range(len(node))
        for key in keys:
            if not OmegaConf.is_interpolation(node, key) and OmegaConf.is_config(node[key]):
                yield from _specs(node[key], f"{path}.{key}" if path else str(key))


@functools.lru_cache(maxsize=256)
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function.__init__ if inspect.isclass(function) else function)
    except (NameError, TypeError, AttributeError):  # names that only a type checker can see
        return {}


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, i) for i in inner)
    if origin is Literal:
        return (value in inner and not isinstance(value, bool)) or any(value is i for i in inner)
    if hint in (int, float):
        return isinstance(value, (int, hint)) and not isinstance(value, bool)
    if hint in (bool, str, type(None)):
        return isinstance(value, hint)
    if OmegaConf.is_list(value) or isinstance(value, list):
        if origin is tuple:
            return Ellipsis in inner or (len(inner) == len(value) and all(map(_fits, value, inner)))
        return origin is not dict and all(_fits(v, inner[0]) for v in value if origin is list and inner)
    # A number or a text where an object is wanted; a dict may be a spec of that object.
    return not (inspect.isclass(hint) or origin in (list, tuple)) or OmegaConf.is_dict(value) or isinstance(value, dict)


def _as_text(key: str, value: Any, hint: Any) -> str:
    """How numbers are typed that are texts, such as the names of columns; nothing if texts would not do either."""
    is_list = OmegaConf.is_list(value) or isinstance(value, list)
    values: list[Any] = list(value) if is_list else [value]
    texts: list[Any] = [str(v) if isinstance(v, (int, float)) and not isinstance(v, bool) else v for v in values]
    if not _fits(texts if is_list else texts[0], hint):
        return ""
    written = ",".join(map(for_hydra, texts))
    return f" A number that is a text: {for_shell(f'{key}=[{written}]' if is_list else f'{key}={written}')}."


def _words(hint: Any) -> str:
    """A type as the user would say it."""
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}
    if hint in names:
        return names[hint]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(map(str, inner))
    if origin in (Union, types.UnionType):
        said = " or ".join(_words(i) for i in inner if i in names or get_origin(i))
        return " or ".join(dict.fromkeys(said.split(" or ")))
    if origin is tuple and inner and Ellipsis not in inner:
        return f"a list of {len(inner)} {_words(inner[0]).removeprefix('a ')}s"
    if origin in (list, tuple):
        return f"a list of {_words(inner[0]).removeprefix('a ')}s" if inner and inner[0] in names else "a list"
    return "another value" if origin is not dict else "a dict"
