"""Can a run with this config work, on this machine? Asked before anything is built."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from src.config.build import locate, parameters_of, shown
from src.config.check import is_whole
from src.config.trust import own_packages
from src.console.messages import UserError

NEEDED = ("best", "history", "last")  # callbacks that results.json is made from
PARTS = (  # keys that are passed on to the module alone
    *("net", "loss", "metrics", "optimizer", "scheduler"),
    *("weights", "freeze", "standardize", "compile", "channels_last"),
)
LEAST = {
    "trainer.accumulate_grad_batches": 1,
    "trainer.gradient_clip_val": 0,
    "callbacks.early_stopping.patience": 0,
    "callbacks.last.every_seconds": 0,
    "callbacks.last.every_minutes": 0,
}


def check_run(cfg: DictConfig) -> None:
    """See that a run with this config trains at all, here, and leaves what every run leaves.

    Raises:
        UserError: naming the key that cannot be.
    """
    for name in NEEDED:
        if not cfg.callbacks[name]:
            raise UserError(f"callbacks.{name}=null: no run is whole without it.")
    trainer = cfg.trainer
    if trainer.fast_dev_run:
        raise UserError("trainer.fast_dev_run leaves no checkpoints and results. debug=fast is as short, and does.")
    if trainer.barebones or not trainer.enable_checkpointing:
        raise UserError("A run needs its checkpoints: trainer.barebones=false trainer.enable_checkpointing=true.")
    for name in ("max_epochs", "max_steps"):
        if trainer[name] is not None and (trainer[name] == 0 or trainer[name] < -1):
            raise UserError(f"trainer.{name}={trainer[name]} trains nothing. -1 is without limit.")
    time = trainer.max_time
    if isinstance(time, (str, int, float)) and not re.fullmatch(r"(?=.*[1-9])\d+(:\d\d){3}", str(time)):
        raise UserError(f"trainer.max_time={time}: days, hours, minutes and seconds are needed, such as 00:12:00:00.")
    if trainer.limit_train_batches == 0:
        raise UserError("trainer.limit_train_batches=0 trains nothing.")
    for key, none in {"steps_per_execution": (), "trainer.check_val_every_n_epoch": (None,)}.items():
        value = OmegaConf.select(cfg, key)
        if not (is_whole(value, least=1) or value in ("auto", *none)):
            raise UserError(f"{key}={shown(value)}: a whole number from 1 is needed, or auto.")
    for key, least in LEAST.items():
        value = OmegaConf.select(cfg, key)
        if value is not None and value < least:
            raise UserError(f"{key}={value}: at least {least}.")
    if trainer.limit_val_batches == 0 and str(cfg.monitor).startswith("val/"):
        raise UserError(f"trainer.limit_val_batches=0 leaves monitor={cfg.monitor} unknown. Use monitor=train/loss.")
    if tuple(cfg.trusted) != own_packages():
        raise UserError(f"trusted={cfg.trusted}: write it into conf/train.yaml. It is read there alone.")
    check_devices(trainer.accelerator, trainer.devices)


def check_module(target: str, typed: Sequence[str]) -> None:
    """Raise UserError if `target` is no LightningModule, or does not take a part that is `typed`, as an override."""
    from lightning import LightningModule

    module_class = locate("module", target)
    if not (isinstance(module_class, type) and issubclass(module_class, LightningModule)):
        raise UserError(f"module._target_={target} is no LightningModule.")
    takes, takes_any = parameters_of("module", target)
    for override in typed:
        part = override.lstrip("+~").partition("=")[0].partition(".")[0]
        if part in PARTS and part not in takes and not takes_any:
            raise UserError(f"{override}: {target} takes no {part}.")


def check_devices(accelerator: str, devices: int | str | list[int]) -> None:
    """Raise UserError if the accelerator, or so many devices, are not there."""
    from lightning.pytorch.accelerators import CUDAAccelerator, MPSAccelerator

    there = {"cpu": os.cpu_count() or 1, "cuda": CUDAAccelerator.auto_device_count(), "mps": 0}
    there["mps"] = MPSAccelerator.auto_device_count() if MPSAccelerator.is_available() else 0
    there["gpu"] = there["cuda"] or there["mps"]
    there["auto"] = there["gpu"] or there["cpu"]
    if accelerator not in there:
        return  # Lightning knows more of them, and says what it lacks
    if not there[accelerator]:
        raise UserError(
            f"trainer.accelerator={accelerator}: PyTorch finds none on this machine. "
            "Use trainer=cpu, or trainer=auto for the best that is there."
        )
    if not (isinstance(devices, list) or re.fullmatch(r"auto|-?\d+|\d+(,\d+)*,?", str(devices))):
        raise UserError(f"trainer.devices={devices}: a number is needed, a list of devices such as [0,1], or auto.")
    number = int(str(devices)) if re.fullmatch(r"-?\d+", str(devices)) else None
    if number is not None and (number < -1 or number == 0):
        raise UserError(f"trainer.devices={devices}: at least 1 is needed; -1 or auto is as many as there are.")
    wanted = len(devices) if isinstance(devices, list) else number or 0
    if wanted > there[accelerator]:
        kind = {"cpu": "processor cores", "mps": "GPU"}.get(accelerator, "GPUs" if there["gpu"] else "processor cores")
        raise UserError(f"trainer.devices={devices}: this machine has {there[accelerator]} {kind}.")
