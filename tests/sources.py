"""Data sources as the config's defaults make them, which stand in conf/data alone."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from importlib import import_module
from typing import Any

from omegaconf import OmegaConf, open_dict

from src.config.build import build
from src.config.compose import compose
from src.config.trust import trusted
from src.datamodule import DataModule
from src.datasets.description import DataDescription


def source(choice: str, **options: Any) -> Any:
    """The Dataset of data=choice, with these options of its function instead of the config's; its y is not read yet."""
    data: Any = OmegaConf.to_container(compose(f"data={choice}").data, resolve=True)
    module, _, name = data["dataset"]["_target_"].rpartition(".")
    function: Callable[..., Any] = getattr(import_module(module), name)
    defaults = {name: data[name] for name in inspect.signature(function).parameters}
    return function(**{**defaults, **options})


def description(
    target_shape: tuple[int, ...] = (), classes: list[str] | None = None, **changes: Any
) -> DataDescription:
    """Data with five inputs, as a task sees them."""
    names = [f"y{k}" for k in range(max(1, math.prod(target_shape)))]
    inputs: dict[str, Any] = {"input_shape": (5,), "indices": False, "reader": {}, "fingerprint": ""}
    target: dict[str, Any] = {"target_is_float": classes is None, "target": "y", "targets": names}
    facts: Any = {**inputs, **target, "target_shape": target_shape, "classes": classes, **changes}
    return DataDescription(**facts)


def data_module(*overrides: str, **changes: Any) -> DataModule:
    """The data of these overrides; `changes` are keys of `data`."""
    cfg = compose(*overrides).data
    with open_dict(cfg):
        cfg.update(changes)
    with trusted():
        data = build(cfg, "data")
        data.setup("fit")
    return data
