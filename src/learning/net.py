"""The net of a run: built for its data, frozen in part, looked at without being changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn

from src.config.build import build, in_terms_of, parameters_of
from src.console.messages import UserError, listed, nearest
from src.datasets.description import DataDescription


def build_net(spec: dict[str, Any], data: DataDescription, output_size: int) -> Any:
    """The torch.nn.Module of a spec, for such data; one that asks for the `columns` of a table is given them too.

    Raises:
        UserError: it cannot be built so, or is no torch.nn.Module.
    """
    with in_terms_of("net", {"input_shape": "data.shape"}):
        takes, _ = parameters_of("net", spec.get("_target_"))
        of_table = {"columns": data.columns} if "columns" in takes else {}
        net = build(spec, "net", input_shape=data.input_shape, output_size=output_size, **of_table)
    if not isinstance(net, nn.Module):
        raise UserError(f"net: {spec['_target_']} is no torch.nn.Module.")
    return net


def freeze(net: nn.Module, patterns: list[str]) -> None:
    """Let the parameters whose names match a pattern stay as they are; so do the running means of their batch norms.

    Raises:
        UserError: a pattern that matches no parameter, or nothing is left to learn.
    """
    for pattern in patterns:
        for name in matching(pattern, [name for name, _ in net.named_parameters()], "freeze"):
            net.get_parameter(name).requires_grad_(False)
    if patterns and not any(parameter.requires_grad for parameter in net.parameters()):
        raise UserError(f"freeze={patterns} leaves nothing of the net to learn.")
    for layer in net.modules():
        own = list(layer.parameters(recurse=False))
        if isinstance(layer, nn.modules.batchnorm._NormBase) and own and not any(p.requires_grad for p in own):
            layer.eval()


def matching(pattern: str, names: list[str], key: str) -> list[str]:
    """Those of the parameters' names that match a pattern such as layers.0*; UserError, naming `key`, for none."""
    matches = [name for name in names if fnmatchcase(name, pattern)]
    if not matches:
        hint = nearest(pattern, names) or f" There are {listed(names, 4)}."
        raise UserError(f"{key}: no parameter is named {pattern}.{hint}")
    return matches


@contextmanager
def predicting(net: nn.Module) -> Iterator[None]:
    """Inside it the net learns nothing and no layer is random; outside, its layers are as they were."""
    modes = [(layer, layer.training) for layer in net.modules()]  # a net may have frozen some for good
    net.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for layer, training in modes:
            layer.training = training
