"""Data, task and net of an autoencoder: examples pass through a few numbers, and are restored from these."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset
from torchmetrics import MeanSquaredError, Metric

from src.datasets.description import DataDescription
from src.datasets.tables import read_table
from src.datasets.tables.table import Table
from src.nets.standardize import Standardize
from src.tasks import Task
from src.tasks.metrics import R2
from src.tasks.task import rounded


class ToItself(Dataset):
    """The rows of a table, whose y is their x."""

    target = "x"

    def __init__(self, table: Table) -> None:
        self.table, self.splits, self.groups = table, table.splits, table.groups

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        x, _ = self.table[index]
        return x, x

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        x, _ = self.table.__getitems__(indices)
        return x, x

    def read_target(self, kind: Any, classes: list[str] | None = None) -> None:
        self.table.read_target(None)  # as its values suggest: nobody learns it

    @property
    def reader(self) -> dict[str, Any] | None:
        return self.table.reader

    def fit(self, indices: Tensor) -> None:
        self.table.fit(indices)

    def restore(self, reader: dict[str, Any]) -> None:
        self.table.restore(reader)


def to_itself(**options: Any) -> ToItself:
    """What `read_table` reads with these options, as examples (x, x)."""
    return ToItself(read_table(**options))


class Reconstruction(Task):
    """x is predicted, in its own units; the loss is the mean squared error of standardized values."""

    target_kind = "values"

    def __init__(self, data: DataDescription) -> None:
        self.shape = data.target_shape
        super().__init__(data, math.prod(self.shape))
        # All pixels of an image have one scale: those that are nearly always dark would count too much otherwise.
        self.target_scale: Standardize = Standardize(self.shape)
        self.pictures = ("reconstructions",) if len(self.shape) == 3 else ()

    def summary(self) -> tuple[str, str]:
        return "reconstruction", f"{self.output_size} values"

    def truth(self, y: Tensor) -> Tensor:
        return y

    def target(self, y: Tensor) -> Tensor:
        return self.target_scale(y).flatten(1)  # (B, *shape) -> (B, K)

    def loss(self, outputs: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        return F.mse_loss(outputs, target)

    def predictions(self, outputs: Tensor) -> Tensor:
        return self.target_scale.inverse(outputs.unflatten(1, self.shape))  # (B, K) -> (B, *shape)

    def metrics(self) -> dict[str, Metric]:
        return {"r2": ExplainedVariance(self.output_size), "mse": MeanSquaredError()}

    def columns(self, predictions: Tensor, x: Tensor) -> dict[str, Any]:
        """How badly each example is restored: one that is like none of the training examples stands out."""
        return {"reconstruction_error": rounded((predictions - x).square().flatten(1).mean(dim=1))}


class ExplainedVariance(R2):
    """The share of the variance of all values together that is explained."""

    def update(self, preds: Tensor, target: Tensor) -> None:
        super().update(preds.flatten(1), target.flatten(1))

    def compute(self) -> Tensor:
        left, deviations = self.sums()
        return 1 - left.sum() / deviations.sum()


class Autoencoder(nn.Sequential):
    """x (B, *input_shape) -> code (B, code) -> outputs (B, output_size), with one hidden layer on either way."""

    def __init__(self, input_shape: tuple[int, ...], output_size: int, hidden: int, code: int) -> None:
        encoder = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(input_shape), hidden),
            nn.ReLU(),
            nn.Linear(hidden, code),
        )
        decoder = nn.Sequential(nn.Linear(code, hidden), nn.ReLU(), nn.Linear(hidden, output_size))
        super().__init__(encoder, decoder)
