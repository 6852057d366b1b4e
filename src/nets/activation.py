"""Activations by their names in torch.nn."""

from __future__ import annotations

import difflib

from torch import nn
from torch.nn.modules import activation

ACTIVATIONS = {name.lower(): getattr(nn, name) for name in activation.__all__}


def activation_class(name: str) -> type[nn.Module]:
    """The class `torch.nn.<name>`, in capitals or not.

    Raises:
        ValueError: torch.nn has no such activation.
    """
    if name.lower() not in ACTIVATIONS:
        close = difflib.get_close_matches(name.lower(), ACTIVATIONS, n=2) or ["relu", "gelu", "tanh"]
        likely = " or ".join(repr(ACTIVATIONS[c].__name__) for c in close)
        raise ValueError(f"net.activation={name!r} is not an activation of torch.nn. Did you mean {likely}?")
    return ACTIVATIONS[name.lower()]
