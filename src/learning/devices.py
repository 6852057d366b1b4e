"""What the devices that train one net together have seen, brought together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def of_all_devices(mine: Any) -> list[Any]:
    """What each device has seen its part of."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [mine]
    gathered = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(gathered, mine)
    return gathered


def joined(batches: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """The batches that all devices have kept, of some tensors (B, ...) each, as these tensors (N, ...)."""
    of_all = [batch for of_device in of_all_devices(batches) for batch in of_device]
    return tuple(torch.cat(parts) for parts in zip(*of_all, strict=True))
