"""Can the trainer that the config asks for train on this machine? Asked before anything starts."""

from __future__ import annotations

import os
from typing import Any

from lightning.pytorch.accelerators import CUDAAccelerator, MPSAccelerator


def check_trainer(
    accelerator: str, devices: int | str | list[int], max_epochs: int | None, max_steps: int, **_: Any
) -> None:
    """Compare the trainer's accelerator and devices with this machine, and see that it trains at all.

    Raises:
        ValueError: naming the key that cannot be.
    """
    for name, value in {"max_epochs": max_epochs, "max_steps": max_steps}.items():
        if value is not None and (value == 0 or value < -1):
            raise ValueError(f"trainer.{name}={value} trains nothing. -1 is without limit.")
    _check_devices(accelerator, devices)


def _check_devices(accelerator: str, devices: int | str | list[int]) -> None:
    there = {"cpu": os.cpu_count() or 1, "cuda": CUDAAccelerator.auto_device_count(), "mps": 0}
    there["mps"] = MPSAccelerator.auto_device_count() if MPSAccelerator.is_available() else 0
    there["gpu"] = there["cuda"] or there["mps"]
    there["auto"] = there["gpu"] or there["cpu"]
    if accelerator not in there:
        return  # Lightning knows more of them, and says what it lacks
    if not there[accelerator]:
        raise ValueError(
            f"trainer.accelerator={accelerator}: PyTorch finds none on this machine. "
            "Use trainer=cpu, or trainer=auto for the best that is there."
        )
    wanted = len(devices) if isinstance(devices, list) else int(devices) if str(devices).lstrip("-").isdigit() else 0
    if wanted > there[accelerator]:
        kind = {"cpu": "processor cores", "mps": "GPU"}.get(accelerator, "GPUs" if there["gpu"] else "processor cores")
        raise ValueError(f"trainer.devices={devices}: this machine has {there[accelerator]} {kind}.")
