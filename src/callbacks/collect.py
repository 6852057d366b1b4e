"""Keeps a test's predictions, for what is more than a mean over batches."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from src.callbacks.devices import of_all_devices


class Answers(Callback):
    """All predictions and targets of a test, on the CPU."""

    def __init__(self) -> None:
        self.batches: list[tuple[Tensor, Tensor]] = []

    def on_test_batch_end(self, trainer: Any, pl_module: Any, outputs: Tensor, batch: Any, *_: Any) -> None:
        y = batch[1]
        y = y.reshape(len(y), -1) if pl_module.hparams.task == "regression" else y.reshape(len(y))
        self.batches.append((outputs.cpu(), y.cpu()))

    def all(self) -> tuple[Tensor, Tensor]:
        """Predictions (N, K) or (N, C), and y (N, K) or (N,)."""
        batches = [batch for some in of_all_devices(self.batches) for batch in some]
        predictions, y = zip(*batches, strict=True)
        return torch.cat(predictions), torch.cat(y)
