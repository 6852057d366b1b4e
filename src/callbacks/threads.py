"""How many processor threads share one operation."""

from __future__ import annotations

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from src.console.cores import cores
from src.console.messages import UserError
from src.datamodule import data_of
from src.module import SupervisedModule

DEFAULT = torch.get_num_threads()
SMALL = 1e8  # floating-point operations of a forward pass: some milliseconds of one core


class Threads(Callback):
    """On a CPU a small net is fastest on one thread: several wait for one another longer than they compute.

    Where the cores have other work too, they wait many times as long.

    Args:
        threads: None: one for a small net, else torch's own choice, or this job's share of the cores.
    """

    def __init__(self, threads: int | None) -> None:
        if threads is not None and threads < 1:
            raise UserError(f"threads={threads}: at least 1 thread is needed.")
        self.threads = threads

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        share = max(1, cores() // trainer.num_devices)
        torch.set_num_threads(self.threads or (1 if self._is_small(trainer, pl_module) else min(DEFAULT, share)))

    def _is_small(self, trainer: L.Trainer, pl_module: L.LightningModule) -> bool:
        data = data_of(trainer)
        if not isinstance(pl_module, SupervisedModule):  # what it computes is not known: at least once with each weight
            return 2 * sum(p.numel() for p in pl_module.parameters()) * data.loading.batch_size < SMALL
        return pl_module.flops * data.loading.batch_size < SMALL
