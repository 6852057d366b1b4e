"""Keeps a test's predictions, for what is more than a mean over batches."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.callbacks import Callback
from torch import Tensor

from src.learning.devices import joined
from src.module import SupervisedModule


class Collect(Callback):
    """All predictions and truths of a test, on the CPU."""

    def __init__(self) -> None:
        self.batches: list[tuple[Tensor, Tensor]] = []

    def on_test_batch_end(
        self, trainer: Any, pl_module: SupervisedModule, outputs: Tensor, batch: Any, *_: Any
    ) -> None:
        self.batches.append((outputs.cpu(), pl_module.task.truth(batch[1]).cpu()))

    def all(self) -> tuple[Tensor, Tensor]:
        """Predictions (N, K) or (N, C), and what is true, (N, K) or (N,)."""
        predictions, truths = joined(self.batches)
        return predictions, truths
