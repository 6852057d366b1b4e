"""One or several numbers are predicted."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import MeanAbsoluteError, MeanSquaredError, Metric

from src.console.messages import UserError
from src.datasets.description import DataDescription
from src.nets.standardize import Standardize
from src.tasks.metrics import R2
from src.tasks.task import Task, rounded


class Regression(Task):
    """K values (B, K) in their own units; the loss is the mean squared error of standardized ones."""

    target_kind = "values"

    def __init__(self, data: DataDescription) -> None:
        values = max(1, math.prod(data.target_shape))
        super().__init__(data, values)
        self.target_scale: Standardize = Standardize((values,))
        is_curve = data.input_shape == (1,) and values == 1 and not data.indices
        self.pictures = ("fit",) if is_curve else ("predictions",)
        self.metric_parameters = {"num_outputs": values}

    def summary(self) -> tuple[str, str]:
        return "regression", "1 value" if self.output_size == 1 else f"{self.output_size} values"

    def truth(self, y: Tensor) -> Tensor:
        y = y if y.is_floating_point() else y.to(torch.get_default_dtype())
        return y.reshape(len(y), -1)  # (B,) or (B, K) -> (B, K)

    def target(self, y: Tensor) -> Tensor:
        return self.target_scale(self.truth(y))

    def loss(self, outputs: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        if weight is not None:
            raise UserError("weight= is that of classes or labels, which a regression has not.")
        return F.mse_loss(outputs, target)

    def predictions(self, outputs: Tensor) -> Tensor:
        return self.target_scale.inverse(outputs)

    def metrics(self) -> dict[str, Metric]:
        return {
            "r2": R2(self.output_size),
            "rmse": MeanSquaredError(squared=False),
            "mae": MeanAbsoluteError(),
            "mse": MeanSquaredError(),
        }

    def columns(self, predictions: Tensor, x: Tensor) -> dict[str, Any]:
        values = rounded(predictions)
        return {f"predicted_{name}": values[:, k] for k, name in enumerate(self.data.targets)}
