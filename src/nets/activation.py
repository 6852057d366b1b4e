"""Activations by their names in torch.nn."""

from __future__ import annotations

from torch import nn
from torch.nn.modules import activation

from src.console.messages import UserError, nearest

ACTIVATIONS = {name.lower(): getattr(nn, name) for name in activation.__all__}


def activation_class(name: str) -> type[nn.Module]:
    """The class `torch.nn.<name>`, in capitals or not.

    Raises:
        UserError: torch.nn has no such activation.
    """
    if name.lower() not in ACTIVATIONS:
        hint = nearest(name, activation.__all__) or " There are 'ReLU', 'GELU', 'Tanh' and others."
        raise UserError(f"activation={name!r} is not an activation of torch.nn.{hint}")
    return ACTIVATIONS[name.lower()]
