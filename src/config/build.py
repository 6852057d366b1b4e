"""A config's `_target_` and parameters -> the object, its values checked against the target's own signature.

YAML key = Python parameter, so the types stand once, in Python.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from hydra.utils import instantiate
from omegaconf import Container, OmegaConf

from src.config.compose import HYDRA_1_4
from src.console.messages import nearest

NO_PARAMETERS = ("_recursive_", "_convert_", "_partial_", "_args_")  # Hydra's own
TIMING = ("interval", "frequency", "monitor")  # when Lightning calls a scheduler, beside the scheduler's own
COUNTED = ("T_max", "total_steps")  # a scheduler's length: null is filled in by the module


def build(spec: Any, *args: Any, **kwargs: Any) -> Any:
    """Call the `_target_` of `spec` with its other keys, `args` and `kwargs`; nested specs are built first.

    Raises:
        ValueError: a target that is not there, or does not take these parameters.
    """
    spec = cast(dict[str, Any], OmegaConf.to_container(spec, resolve=True)) if OmegaConf.is_config(spec) else dict(spec)
    given = {name: value for name, value in spec.items() if name != "_target_" and name not in NO_PARAMETERS}
    signature = _signature(locate("", spec["_target_"]))
    try:
        if signature:
            signature.bind(*args, **{**given, **kwargs})
    except TypeError as error:
        raise ValueError(f"{spec['_target_']}: {error}.") from error
    # Hydra 1.4 wants to be told what may be called: what the config names (never Hydra's list of dangerous targets).
    allowed = {"_execution_whitelist_": sorted(_allowed(spec))} if HYDRA_1_4 else {}
    return instantiate({**spec, "_partial_": True, "_convert_": "all"}, **allowed)(*args, **kwargs)


@contextmanager
def blamed_on(key: str) -> Iterator[None]:
    """Name the config's key in a ValueError from a library, which cannot know it."""
    try:
        yield
    except ValueError as error:
        raise ValueError(str(error) if str(error).startswith(key) else f"{key}: {error}") from error


def check(cfg: Container) -> None:
    """Check every `_target_` in `cfg` and the values given to it, before anything is built.

    Raises:
        ValueError: naming the key, its value and what it takes.
    """
    for key in ("data", "module", "trainer"):
        if not OmegaConf.is_dict(cfg[key]):
            raise ValueError(f"{key}={_shown(cfg[key])}: every run needs it.")
    if OmegaConf.select(cfg, "callbacks.early_stopping.monitor", default="") is None:
        raise ValueError("monitor=null leaves early stopping nothing to watch. Add callbacks.early_stopping=null.")
    for path, node in _specs(cfg, ""):
        check_parameters(path, node["_target_"], {k: v for k, v in node.items() if k != "_target_"}, node)


def check_parameters(path: str, target: str, values: Mapping[str, Any], node: Any = None) -> None:
    """Check `values` against the parameters of `target`; `path` is the key in the config that holds them."""
    function = locate(path, target)
    signature = _signature(function)
    if signature is None:
        return
    parameters = signature.parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    hints = _hints(function)
    for name, value in values.items():
        if name in NO_PARAMETERS or (name in TIMING and name not in parameters) or (name in COUNTED and value is None):
            continue
        if name not in parameters and not takes_any:
            raise ValueError(f"{path}.{name}: {target} has no such parameter.{nearest(name, parameters)}")
        if name in hints and not _fits(value, hints[name]):
            raise ValueError(f"{_key(path, name, node)}={_shown(value)}: {_words(hints[name])} is needed.")


def locate(path: str, target: str) -> Callable[..., Any]:
    """The function or class that a config names at `path`.

    Raises:
        ValueError: it cannot be imported, or is not there.
    """
    if not isinstance(target, str):
        raise ValueError(f"{path}._target_={_shown(target)}: name a function or class, such as my_module.my_dataset.")
    parts = target.split(".")
    for length in range(len(parts) - 1, 0, -1):
        module_name = ".".join(parts[:length])
        try:
            found: Any = import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name and f"{module_name}.".startswith(f"{error.name}."):
                continue  # the last part may be a class
            raise ValueError(f"{path}._target_={target} cannot be imported: {error}.") from error
        except ImportError as error:
            raise ValueError(f"{path}._target_={target} cannot be imported: {error}.") from error
        for part in parts[length:]:
            if not hasattr(found, part):
                raise ValueError(f"{path}._target_={target}: {module_name} has no {part}.{nearest(part, dir(found))}")
            found = getattr(found, part)
        return found
    raise ValueError(f"{path}._target_={target}: there is no module {parts[0]}.")


def _specs(node: Any, path: str) -> Iterable[tuple[str, Any]]:
    """Every node with a `_target_`, where it is written (not where it is referred to)."""
    if OmegaConf.is_dict(node) and "_target_" in node:
        yield path, node
    if OmegaConf.is_config(node):
        keys = list(node) if OmegaConf.is_dict(node) else range(len(node))
        for key in keys:
            if not OmegaConf.is_interpolation(node, key) and OmegaConf.is_config(node[key]):
                yield from _specs(node[key], f"{path}.{key}" if path else str(key))


def _allowed(spec: Any) -> set[str]:
    """Whitelist patterns for the packages that `spec` names, and for those where the named things are defined."""
    if isinstance(spec, Mapping):
        own = {spec["_target_"], locate("", spec["_target_"]).__module__} if "_target_" in spec else set()
        return {f"{name.split('.')[0]}.*" for name in own}.union(*map(_allowed, spec.values()))
    return set().union(*map(_allowed, spec)) if isinstance(spec, (list, tuple)) else set()


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except ValueError:  # it is written in C, such as torch.tensor
        return None


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
    return not (inspect.isclass(hint) or origin is list) or OmegaConf.is_dict(value) or isinstance(value, dict)


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
    if origin in (list, tuple):
        return f"a list of {_words(inner[0]).removeprefix('a ')}s" if inner and inner[0] in names else "a list"
    return "another value" if origin is not dict else "a dict"


def _key(path: str, name: str, node: Any) -> str:
    """The key that the user types: what an interpolation refers to, where there is one."""
    if node is not None and OmegaConf.is_interpolation(node, name):
        return str(cast(dict[str, Any], OmegaConf.to_container(node, resolve=False))[name])[2:-1]
    return f"{path}.{name}"


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"'{value}'" if isinstance(value, str) else str(value)
