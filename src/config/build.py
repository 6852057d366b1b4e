"""A spec, which is a `_target_` and its parameters, -> the object; errors in the keys that the user types."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, cast

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf

from src.config.compose import HYDRA_1_4
from src.config.quoting import as_typed
from src.config.trust import check_name, check_object, check_texts, is_trusted
from src.console.messages import UserError, first_line, in_words, nearest
from src.console.screen import in_keys

HYDRAS_OWN = ("_target_", "_recursive_", "_convert_", "_partial_", "_args_")  # keys that are no parameters
LIBRARIES = ("torch", "torchmetrics", "lightning")  # whose ValueErrors mean the values that the config gives


def build(spec: Any, path: str, *args: Any, **kwargs: Any) -> Any:
    """Call the `_target_` of `spec` with its other keys, `args` and `kwargs`; nested specs are built first.

    A key that only passes on another one (an interpolation) is left out where the target does not take it. What is not
    the user's own may name only what src/config/trust.py allows.

    Args:
        path: the key of `spec` in the config.

    Raises:
        UserError: a target that is not there, or does not take these parameters or values.
    """
    node, spec = spec, {key: value for key, value in plain(spec).items() if key not in kwargs}
    function = locate(path, spec.get("_target_"))
    if not is_trusted():
        check_texts(path, spec, resolved=True)
        check_names(path, spec)
    takes, takes_any = parameters_of(path, spec["_target_"])
    if OmegaConf.is_dict(node) and not takes_any:
        passed_on = {key for key in spec if OmegaConf.is_interpolation(node, key)}
        spec = {key: value for key, value in spec.items() if key in takes or key not in passed_on}
    signature = _signature(function)
    try:
        if signature:
            signature.bind(*args, **{**{k: v for k, v in spec.items() if k not in HYDRAS_OWN}, **kwargs})
    except TypeError as error:
        raise UserError(f"{path}: {spec['_target_']}: {error}.") from error
    # Hydra 1.4 has to know what may be called: what the config names (never Hydra's list of dangerous targets).
    allowed = {"_execution_whitelist_": sorted(_allowed(spec))} if HYDRA_1_4 else {}
    names = [name for name in {*takes, *spec} if name not in kwargs and name not in HYDRAS_OWN]
    with in_terms_of(path, {name: key_of(path, name, node) for name in names}, is_library=_is_library(function)):
        try:
            prepared = instantiate({**spec, "_partial_": True, "_convert_": "all"}, **allowed)
        except InstantiationException as error:  # of a nested spec
            raise error.__cause__ or error from None
        return prepared(*args, **kwargs)


@contextmanager
def in_terms_of(path: str, keys: Mapping[str, str], is_library: bool = False) -> Iterator[None]:
    """Inside it a part speaks of its own parameters; its UserErrors leave with the keys that the user types for them.

    Args:
        path: the key of the part.
        keys: parameter -> key.
        is_library: the part is a library's, whose ValueErrors and TypeErrors mean the values that it was given; or it
            needs a package that is not there.
    """
    try:
        with in_keys(keys):
            yield
    except UserError as error:
        raise error.in_terms_of(path, keys) from error
    except (ValueError, TypeError, ModuleNotFoundError) as error:
        if is_library:
            raise UserError(f"{path}: {first_line(error) if isinstance(error, ImportError) else error}") from error
        raise


def plain(spec: Any) -> dict[str, Any]:
    """A spec as dicts and lists, its interpolations resolved."""
    if OmegaConf.is_config(spec):
        return cast(dict[str, Any], OmegaConf.to_container(spec, resolve=True))
    return dict(spec)


def parameters_of(path: str, target: Any) -> tuple[list[str], bool]:
    """The names of a target's parameters, and whether it takes others too, or cannot say."""
    signature = _signature(locate(path, target))
    parameters = list(signature.parameters.values()) if signature else []
    takes_any = signature is None or any(p.kind is p.VAR_KEYWORD for p in parameters)
    return [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)], takes_any


def key_of(path: str, name: str, node: Any = None) -> str:
    """The key that the user types for a parameter: what an interpolation in `node` refers to, where there is one."""
    if OmegaConf.is_dict(node) and name in node and OmegaConf.is_interpolation(node, name):
        return str(cast(dict[str, Any], OmegaConf.to_container(node, resolve=False))[name])[2:-1]
    return f"{path}.{name}" if path else name


def check_names(path: str, spec: Any) -> None:
    """Raise UserError if a spec in `spec` names what may not stand there, however deep it lies."""
    if isinstance(spec, Mapping) and "_target_" in spec:
        locate(path, spec["_target_"])
    items = spec.items() if isinstance(spec, Mapping) else enumerate(spec) if isinstance(spec, (list, tuple)) else ()
    for key, value in items:
        check_names(f"{path}.{key}", value)


def locate(path: str, target: Any) -> Callable[..., Any]:
    """The function or class that a config names at `path`.

    Raises:
        UserError: it cannot be imported, is not there, or may not be built (src/config/trust.py).
    """
    if not isinstance(target, str):
        example = f"my_module.my_{path.rpartition('.')[2]}"
        raise UserError(f"{path}._target_={shown(target)}: name a function or class, such as {example}.")
    check_name(path, target)
    found = _imported(path, target)
    check_object(path, target, found)
    return found


def _imported(path: str, target: str) -> Any:
    parts = target.split(".")
    for length in range(len(parts) - 1, 0, -1):
        module_name = ".".join(parts[:length])
        try:
            part: Any = import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name and f"{module_name}.".startswith(f"{error.name}."):
                continue  # the last part may be a class
            raise UserError(f"{path}._target_={target} cannot be imported: {error}.") from error
        except ImportError as error:
            reason = in_words(error) or f"{path}._target_={target} cannot be imported: {error}."
            raise UserError(reason) from error
        for name in parts[length:]:
            if not hasattr(part, name):
                names = getattr(part, "__all__", dir(part))
                raise UserError(f"{path}._target_={target}: {module_name} has no {name}.{nearest(name, names)}")
            part = getattr(part, name)
        return part
    raise UserError(f"{path}._target_={target}: there is no module {parts[0]}.")


def shown(value: Any) -> str:
    """A value of a config, `as_typed`; a text in quotes, to be told from a number."""
    return f"'{value}'" if isinstance(value, str) else as_typed(value)


def _allowed(spec: Any) -> set[str]:
    """Whitelist patterns for the packages that `spec` names, and for those where the named things are defined."""
    if isinstance(spec, Mapping):
        own = {spec["_target_"], _imported("", spec["_target_"]).__module__} if "_target_" in spec else set()
        return {f"{name.split('.')[0]}.*" for name in own}.union(*map(_allowed, spec.values()))
    return set().union(*map(_allowed, spec)) if isinstance(spec, (list, tuple)) else set()


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except ValueError:  # it is written in C, such as torch.tensor
        return None


def _is_library(function: Callable[..., Any]) -> bool:
    return function.__module__.partition(".")[0] in LIBRARIES
