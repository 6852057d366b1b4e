"""Tiny epochs: what is done at an epoch's end is done at the end of some of them."""

from __future__ import annotations

import math

import lightning as L
from lightning.pytorch.callbacks import Callback

from src.console.screen import notice
from src.datamodule import data_of
from src.module import SupervisedModule

# Seconds on one core: of the end of an epoch with all that belongs to it, of an epoch without, of a step without its
# arithmetic, and of a billion floating-point operations. What follows from them must be the same on every machine.
END, EPOCH, STEP, GIGA = 0.005, 0.001, 0.0003, 0.05
SHARE = 1 / 5  # of the time that ends may take
LEAST = 20  # ends in a run: so many points has a curve at least


class EpochEnds(Callback):
    """Where epochs are so short that their ends would be most of the run, only every so many have one.

    An end is validation, metrics, a row of the history, a look at the best checkpoint and at early stopping. The last
    epoch always has one. What an epoch is, and what a step of a schedule by epochs, stays as it is.
    """

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if isinstance(pl_module, SupervisedModule) and _may_pass_over(trainer, pl_module):
            every = pl_module.every = trainer.check_val_every_n_epoch = _every(trainer, pl_module)
            if every > 1:
                notice(
                    f"Epochs are short: validation, history and checkpoint come every {every} of them, which makes no "
                    "other difference. trainer.check_val_every_n_epoch=1 has them all."
                )


def has_end(module: L.LightningModule) -> bool:
    """Whether the epoch that ends here is one of them."""
    return not isinstance(module, SupervisedModule) or module.is_measured


def _may_pass_over(trainer: L.Trainer, module: SupervisedModule) -> bool:
    """Whether nothing waits for each end: the run's length is in epochs, no schedule follows a metric."""
    is_in_epochs = trainer.max_epochs is not None and trainer.max_epochs > 0 and trainer.max_steps == -1
    others_wait = any(getattr(callback, "waits_for_each_epoch", False) for callback in trainer.checkpoint_callbacks)
    return is_in_epochs and trainer.val_check_interval == 1.0 and not (module.waits_for_metric or others_wait)


def _every(trainer: L.Trainer, module: SupervisedModule) -> int:
    steps = trainer.num_training_batches
    billions = 3e-9 * module.flops * data_of(trainer).loading.batch_size  # backward takes twice as many as forward
    seconds = EPOCH + steps * (STEP + GIGA * billions)
    stopping = trainer.early_stopping_callback
    most = [(trainer.max_epochs or 0) // LEAST, *([stopping.patience] if stopping else [])]
    return max(1, min(math.ceil(END / seconds * (1 / SHARE - 1)), *most))
