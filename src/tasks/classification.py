"""One of two classes, or of several, is predicted."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from src.console.messages import UserError
from src.datasets.description import DataDescription
from src.tasks.counts import ClassCounts
from src.tasks.metrics import PresentAUROC
from src.tasks.task import Task, rounded


class Classification(Task):
    """Probabilities (B, C); for two classes the net has one output, for more one each. The loss is cross-entropy.

    Raises:
        UserError: the data have no classes, or a single one.
    """

    target_kind = "class"
    has_probabilities = True

    def __init__(self, data: DataDescription) -> None:
        if data.classes is None:
            raise UserError(f"The target {data.target} of these data holds no class numbers.")
        if len(data.classes) < 2:
            raise UserError(f"All examples of data are of one class, {data.classes[0]}: there is nothing to learn.")
        self.classes = data.classes
        self.is_binary = len(data.classes) == 2
        super().__init__(data, 1 if self.is_binary else len(data.classes))
        shape = data.input_shape
        is_image = len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3))
        self.pictures = ("confusion", "mistakes") if is_image else ("confusion",)
        self.metric_parameters = {"task": "multiclass", "num_classes": len(data.classes)}
        self.dear, self.shares = ("auroc",), ("accuracy",)

    def summary(self) -> tuple[str, str]:
        return "binary" if self.is_binary else "multiclass", f"{len(self.classes)} classes"

    def truth(self, y: Tensor) -> Tensor:
        return y.reshape(len(y)).long()  # (B,) or (B, 1) -> (B,)

    def loss(self, outputs: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        if not self.is_binary:
            return F.cross_entropy(outputs, target, weight)
        outputs = outputs.squeeze(1)  # (B, 1) -> (B,)
        losses = F.binary_cross_entropy_with_logits(outputs, target.to(outputs.dtype), reduction="none")
        weights = torch.ones_like(losses) if weight is None else weight[target]
        return (losses * weights).sum() / weights.sum()  # as cross_entropy divides

    def predictions(self, outputs: Tensor) -> Tensor:
        outputs = outputs / self.temperature
        if not self.is_binary:
            return outputs.softmax(dim=1)
        second = outputs.sigmoid()  # (B, 1)
        return torch.cat([1 - second, second], dim=1)  # (B, 2)

    def metrics(self) -> dict[str, Metric]:
        count = len(self.classes)
        return {
            "accuracy": MulticlassAccuracy(count, average="micro", validate_args=False),
            "f1": MulticlassF1Score(count, average="macro", validate_args=False),
            "auroc": PresentAUROC(count),
        }

    def columns(self, predictions: Tensor, x: Tensor) -> dict[str, Any]:
        values = rounded(predictions)
        chosen = {f"predicted_{self.data.target}": [self.classes[k] for k in predictions.argmax(dim=1).tolist()]}
        return chosen | {f"probability_{name}": values[:, k] for k, name in enumerate(self.classes)}

    def counts(self) -> ClassCounts:
        return ClassCounts(len(self.classes))
