"""The GPUs that the jobs of a sweep share."""

from __future__ import annotations

import os
from collections.abc import Sequence

from omegaconf import DictConfig

ON_GPU = ("auto", "gpu", "cuda", "mps")  # accelerators


def gpus() -> list[str]:
    """Those that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    if torch.backends.mps.is_available():
        return ["0"]
    count = torch.cuda.device_count()
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    return named[:count] if named[0] else [str(number) for number in range(count)]


def wanted(trainer: DictConfig, there: Sequence[str]) -> int:
    """How many of those that are there a run needs; all, where it names them by number."""
    if trainer.accelerator not in ON_GPU:
        return 0
    number = str(trainer.devices)
    return min(int(number), len(there)) if number.isdigit() else len(there)
