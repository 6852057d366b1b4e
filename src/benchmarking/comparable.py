"""Can a bare loop do what this config asks for? Where it cannot, a refusal says why."""

from __future__ import annotations

from typing import Any

import lightning as L
from omegaconf import DictConfig, OmegaConf

from src.config.build import shown
from src.console.messages import UserError
from src.datamodule import data_of
from src.module import SupervisedModule

LARGEST = 4e9  # bytes of a split as floats, held in memory beside the run itself
# Key -> values with which each epoch is all batches, then a validation, and a step is what the bare loop writes out.
PLAIN: dict[str, tuple[Any, ...]] = {
    "trainer.max_steps": (-1,),
    "trainer.max_time": (None,),
    "trainer.min_steps": (None,),
    "trainer.limit_train_batches": (None, 1.0),
    "trainer.limit_val_batches": (None, 1.0),
    "trainer.overfit_batches": (0, 0.0),
    "trainer.val_check_interval": (None, 1.0),
    "trainer.detect_anomaly": (False,),
    "trainer.profiler": (None,),
    "trainer.precision": ("32-true", "64-true", "bf16-mixed", 32, 64, "32", "64"),
    "compile": (False,),
}


def check_config(cfg: DictConfig) -> None:
    """Raise UserError if a key asks for what is not compared."""
    for key, values in PLAIN.items():
        value = OmegaConf.select(cfg, key)
        if value not in values:
            like = f"{key}={shown(values[0])}"
            raise UserError(f"{key}={shown(value)}: a bare loop would not do the same. It is compared with {like}.")
    epochs = cfg.trainer.max_epochs
    if epochs is None or epochs < 1:
        raise UserError(f"trainer.max_epochs={epochs}: how many epochs is a round? Choose with epochs=.")


def check_start(trainer: L.Trainer) -> None:
    """When a run is about to begin: raise UserError if others cannot do the same job."""
    module, data = trainer.lightning_module, data_of(trainer)
    if not isinstance(module, SupervisedModule):
        raise UserError(f"module: what a bare loop would do in the place of a {type(module).__name__} is not known.")
    if data.offer.augmented is not None:
        raise UserError(
            "The training examples change at random: no two contestants would see the same. Leave that out."
        )
    if data.offer.collate is not None or None in data.description.input_shape:
        raise UserError("The examples vary in length, or are put together in a way of their own: no tensor holds them.")
    x, _ = data.examples()
    size = sum(len(split) for split in data.splits.values()) * x[0].numel() * 4
    if size > LARGEST:
        raise UserError(f"The examples take {size / 1e9:.0f} GB as floats, too much to be held beside the run.")
    for schedule in trainer.lr_scheduler_configs:
        if schedule.monitor not in (None, "train/loss", *module.val_metrics.names):
            raise UserError(
                f"scheduler.monitor={schedule.monitor}: the bare loop measures the training loss and validation only."
            )


def check_devices(trainer: L.Trainer) -> None:
    """Raise UserError if several devices share the work."""
    if trainer.world_size > 1:
        raise UserError(f"{trainer.world_size} devices share the work, but the bare loop has one: trainer.devices=1.")
