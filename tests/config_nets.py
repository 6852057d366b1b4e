"""Nets as conf/net/ has them, without a run."""

from __future__ import annotations

from typing import Any

from torch import nn

from src.config.build import locate, plain
from src.config.compose import compose


def net(name: str, input_shape: tuple[int, ...], output_size: int, **changes: Any) -> nn.Module:
    """The net of conf/net/<name>.yaml, but for `changes` of its parameters."""
    spec = plain(compose(f"net={name}").net)
    parameters = {key: value for key, value in spec.items() if key != "_target_"} | changes
    return locate("net", spec["_target_"])(input_shape=input_shape, output_size=output_size, **parameters)
