"""The contract of a task.

B examples, K values of a regression or labels, C classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from src.console.messages import UserError
from src.datasets.contract import TargetKind
from src.datasets.description import DataDescription
from src.nets.standardize import Standardize
from src.tasks.counts import ClassCounts, LabelCounts


class Task(nn.Module, ABC):
    """From y of a batch to what is learnt from it, and from the net's outputs to what the user reads.

    It is built when the data are known, as ``MyTask(data, **parameters)`` with the parameters in conf/task/.

    Attributes:
        target_kind: how a Dataset that can read its y in several ways is to read it; None: as its values suggest.
        has_probabilities: predictions are made of outputs that `temperature` has divided.
        file_ending: of the file that `save` writes for each prediction; None: predictions are columns of a table.
        output_size: the number that the net is built with.
        output_shape: of the net's outputs for one example.
        target_scale: of targets that are standardized; it learns from the training split. None: they are not.
        pictures: the names of the pictures in src/plots/ that suit.
        metric_parameters: what a metric of torchmetrics has to know, such as num_classes.
        dear: the names of metrics that take long or keep every prediction: only val and test are measured by them.
        temperature: by what outputs are divided before they become probabilities, 1 until these are calibrated; None:
            there are none.
        shares: the names of metrics that are a share of the examples, such as those that are right.
    """

    temperature: Any  # Tensor | None
    target_kind: ClassVar[TargetKind | None] = None
    file_ending: ClassVar[str | None] = None
    has_probabilities: ClassVar[bool] = False

    def __init__(self, data: DataDescription, output_size: int, output_shape: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self.data = data
        self.output_size = output_size
        self.output_shape = (output_size,) if output_shape is None else output_shape
        self.target_scale: Standardize | None = None
        self.register_buffer("temperature", torch.ones(()) if self.has_probabilities else None)
        self.pictures: tuple[str, ...] = ()
        self.metric_parameters: dict[str, Any] = {}
        self.dear: tuple[str, ...] = ()
        self.shares: tuple[str, ...] = ()

    @abstractmethod
    def summary(self) -> tuple[str, str]:
        """The task's name and what it predicts, in a word or two each: regression, 1 value."""

    @abstractmethod
    def truth(self, y: Tensor) -> Tensor:
        """y of one batch or more in the dtype and shape in which metrics and pictures compare it with predictions.

        Raises:
            UserError: y holds what cannot be learnt.
        """

    def target(self, y: Tensor) -> Tensor:
        """y of a batch as the loss compares outputs with it."""
        return self.truth(y)

    @abstractmethod
    def loss(self, outputs: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """The mean loss, a scalar; `weight`: of each class or label. Raises UserError if there are none to weigh."""

    @abstractmethod
    def predictions(self, outputs: Tensor) -> Tensor:
        """What the user reads: values in their own units, or probabilities."""

    @abstractmethod
    def metrics(self) -> dict[str, Metric]:
        """New metrics of predictions and truth by name, the telling one first."""

    def columns(self, predictions: Tensor, x: Tensor) -> dict[str, Any]:
        """Predictions of B examples as columns of a table: name -> B values; `x`: the raw inputs (B, *input_shape)."""
        raise UserError(f"{type(self).__name__} has no method `columns`, which says how predictions become a table.")

    def save(self, prediction: Tensor, path: Path) -> None:
        """Write the prediction for one example to a file, where `file_ending` is set."""
        raise UserError(f"{type(self).__name__} has no method `save`, which writes a prediction to a file.")

    def counts(self) -> ClassCounts | LabelCounts:
        """New counts of the classes or labels of truths, for the weights by which all count alike.

        Raises:
            UserError: the task has neither classes nor labels.
        """
        raise UserError(f"weight=balanced: a {self.summary()[0]} has no classes to be balanced.")


def rounded(predictions: Tensor) -> Any:
    """Float32 values as the shortest decimals that mean them, float64: 0.1, where float32 is 0.100000001490116."""
    return predictions.float().numpy().astype(str).astype("float64")
