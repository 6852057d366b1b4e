"""The LightningModule that everybody writes first."""

from __future__ import annotations

from typing import Any, cast

import lightning as L
from torch import Tensor, nn
from torchmetrics import Metric

from src.learning.loss import loss_of_members
from src.learning.optimization import is_plateau
from src.module import SupervisedModule


class PlainModule(L.LightningModule):
    """`self.log` at each step, of the loss and of a metric object; net, loss and optimizer of a SupervisedModule.

    Args:
        schedules: Lightning's configs, of which there is one at most.
    """

    def __init__(self, like: SupervisedModule, optimizer: Any, schedules: list[Any]) -> None:
        super().__init__()
        self.net, self.task, self.loss = like.net, like.task, like.loss
        self.optimizer, self.schedules = optimizer, schedules
        name, metric = next(iter(like.task.metrics().items()))
        self.train_name, self.train_metric = f"train/{name}", metric
        self.val_metrics = nn.ModuleDict(like.task.metrics())

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y, target = batch
        outputs, *auxiliary = outputs if isinstance(outputs := self.net(x), tuple) else (outputs,)
        loss, outputs = loss_of_members(self.loss, outputs, target, self.task.output_shape)
        loss = loss + sum(self.net.auxiliary_weight * self.loss(more, target) for more in auxiliary)
        self.train_metric(self.task.predictions(outputs.detach().float()), self.task.truth(y))
        self.log("train/loss", loss, prog_bar=True)
        self.log(self.train_name, self.train_metric, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> None:
        x, y, target = batch
        outputs = self.net(x)
        self.log("val/loss", self.loss(outputs, target), prog_bar=True)
        for name, metric in self.val_metrics.items():
            metric(self.task.predictions(outputs.float()), self.task.truth(y))
            self.log(f"val/{name}", cast(Metric, metric))

    def configure_optimizers(self) -> Any:
        if not self.schedules:
            return self.optimizer
        config = self.schedules[0]
        keys = ("scheduler", "interval", "frequency", "monitor")
        schedule = {key: getattr(config, key) for key in keys}
        return {
            "optimizer": self.optimizer,
            "lr_scheduler": {**schedule, "reduce_on_plateau": is_plateau(config.scheduler), "strict": False},
        }
