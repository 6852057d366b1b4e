"""What the devices that train one net together have seen, brought together."""

from __future__ import annotations

from typing import Any

import torch


def of_all_devices(mine: Any) -> list[Any]:
    """What each device has seen its part of."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [mine]
    gathered = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(gathered, mine)
    return gathered
