"""How many processor threads share one operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch.utils.flop_counter import FlopCounterMode

if TYPE_CHECKING:
    from src.module import SupervisedModule

DEFAULT = torch.get_num_threads()
SMALL = 1e8  # floating-point operations of a forward pass: some milliseconds of one core


class Threads(Callback):
    """On a CPU a small net is fastest on one thread: several wait for one another longer than they compute.

    Where the cores have other work too, they wait many times as long.

    Args:
        threads: None: one for a small net, else torch's own choice.
    """

    def __init__(self, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise ValueError(f"callbacks.threads.threads={threads}: at least 1 thread is needed.")
        self.threads = threads

    def on_train_start(self, trainer: L.Trainer, pl_module: SupervisedModule) -> None:
        data = cast(Any, trainer).datamodule
        with FlopCounterMode(display=False) as counter:
            pl_module.try_net(data.example().to(pl_module.device))
        is_small = counter.get_total_flops() / 2 * data.batch_size < SMALL  # the example is a batch of two
        torch.set_num_threads(self.threads or (1 if is_small else DEFAULT))
