"""Activations by their names in torch.nn."""

from __future__ import annotations

import difflib

from torch import nn
from torch.nn.modules import activation


def activation_class(name: str) -> type[nn.Module]:
    """The class `torch.nn.<name>`.

    Raises:
        ValueError: torch.nn has no such activation.
    """
    if name not in activation.__all__:
        close = difflib.get_close_matches(name, activation.__all__, n=3, cutoff=0.4) or ["ReLU", "GELU", "Tanh"]
        raise ValueError(f"net.activation={name!r} is not in torch.nn. Did you mean {' or '.join(close)}?")
    return getattr(nn, name)
