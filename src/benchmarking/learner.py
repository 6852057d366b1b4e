"""The parts of a step, as a hand-written loop calls them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from src.benchmarking.job import Job, Split
from src.learning.loss import loss_of_members
from src.learning.net import predicting
from src.learning.optimization import is_plateau


class Learner:
    """A net of its own that learns a job from the beginning: forward, backward, update; validate, end of the epoch."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.module, self.optimizer, configs = job.begin()
        self.net, self.loss = self.module.net, self.module.loss
        self.schedule = configs[0] if configs else None
        self.by_step = self.schedule if self.schedule and self.schedule.interval == "step" else None
        self.parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.batch = self.epoch = 0

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """The loss of a batch."""
        with self.job.forward_context():
            outputs = self.net(x)
            outputs, *auxiliary = outputs if isinstance(outputs, tuple) else (outputs,)
            loss, _ = loss_of_members(self.loss, outputs, target, self.module.task.output_shape)
            for more in auxiliary:
                loss = loss + self.net.auxiliary_weight * self.loss(more, target)
            return loss

    def backward(self, loss: Tensor) -> None:
        """Add up gradients."""
        if self.batch % self.job.accumulate == 0:
            self.optimizer.zero_grad()
        (loss if self.job.accumulate == 1 else loss / self.job.accumulate).backward()
        self.batch += 1

    def update(self) -> None:
        """A step of the optimizer and the schedule, if the gradients of enough batches are there."""
        job = self.job
        if self.batch % job.accumulate and self.batch < job.batches:
            return
        if job.clip:
            (clip_grad_value_ if job.clips_values else clip_grad_norm_)(self.parameters, job.clip)
        self.optimizer.step()
        if self.by_step and self.batch % self.by_step.frequency == 0:
            self.by_step.scheduler.step()

    def outputs(self, batches: Iterable[Tensor]) -> Tensor:
        """The net's outputs for batches of x, put together."""
        with predicting(self.net), self.job.forward_context():
            return torch.cat([self.net(x) for x in batches])

    def measured(self, outputs: Tensor, split: Split) -> dict[str, float]:
        """The validation loss and metrics."""
        with torch.no_grad(), self.job.forward_context():
            loss = self.loss(outputs, split.target)
            metrics = self.module.val_metrics
            metrics.update(loss, outputs, split.y)
            return {name: value.item() for name, value in metrics.compute().items()}

    def end_epoch(self, measured: dict[str, float]) -> None:
        """Step a schedule by epochs."""
        self.epoch, self.batch = self.epoch + 1, 0
        config = self.schedule
        if config is None or config.interval != "epoch" or self.epoch % config.frequency:
            return
        if not is_plateau(config.scheduler):
            config.scheduler.step()
        elif config.monitor in measured:
            config.scheduler.step(measured[config.monitor])
