"""Are the accelerator and the devices that the config asks for there?"""

from __future__ import annotations

import os
from typing import Any

from lightning.pytorch.accelerators import CUDAAccelerator, MPSAccelerator


def check_devices(accelerator: str, devices: int | str | list[int], **_: Any) -> None:
    """Compare `accelerator` and `devices` of the trainer with this machine.

    Raises:
        ValueError: what is asked for is not there.
    """
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
