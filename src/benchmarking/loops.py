"""Two hand-written loops: over tensors, and with a DataLoader as in a tutorial."""

from __future__ import annotations

import time

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from src.benchmarking.job import Job, synchronize
from src.benchmarking.learner import Learner

Weights = dict[str, Tensor]


def bare(job: Job) -> tuple[float, Weights]:
    """Seconds, and the weights at the end, of a loop over tensors on the run's device: Kindling's batches in order."""
    learner, (train, val) = Learner(job), (job.data.train, job.data.val)
    x, target = train.x, train.target
    synchronize(job.device)
    began = time.perf_counter()
    for epoch, order in enumerate(job.orders):
        losses = []
        for rows in order.split(job.batch_size):
            loss = learner.forward(x[rows], target[rows])
            learner.backward(loss)
            learner.update()
            losses.append(loss.detach())
        measured = {"train/loss": torch.stack(losses).mean().item()}
        if val and epoch in job.validated:
            measured |= learner.measured(learner.outputs(val.x.split(job.batch_size)), val)
        learner.end_epoch(measured)
    synchronize(job.device)
    return time.perf_counter() - began, learner.net.state_dict()


def tutorial(job: Job) -> float:
    """Seconds of the usual loop: TensorDataset, DataLoader, the loss as a number at each step."""
    learner, (train, val) = Learner(job), (job.data.train, job.data.val)
    options = {"shuffle": True, "drop_last": job.drop_last}
    loader = DataLoader(TensorDataset(train.x.cpu(), train.target.cpu()), job.batch_size, **options)
    val_loader = DataLoader(TensorDataset(val.x.cpu(), val.target.cpu()), job.batch_size) if val else None
    synchronize(job.device)
    began = time.perf_counter()
    for epoch in range(job.epochs):
        running_loss = 0.0
        for x, target in loader:
            loss = learner.forward(x.to(job.device), target.to(job.device))
            learner.backward(loss)
            learner.update()
            running_loss += loss.item()
        measured = {"train/loss": running_loss / len(loader)}
        if val and val_loader and epoch in job.validated:
            measured |= learner.measured(learner.outputs(x.to(job.device) for x, _ in val_loader), val)
        learner.end_epoch(measured)
    synchronize(job.device)
    return time.perf_counter() - began


def step_parts(job: Job) -> dict[str, float]:
    """Seconds of the bare loop's parts in a whole run; on a GPU each is waited for."""
    learner, (train, val) = Learner(job), (job.data.train, job.data.val)
    seconds = dict.fromkeys(("forward", "backward", "optimizer", "validation"), 0.0)
    mark = time.perf_counter()

    def add(part: str | None) -> None:
        nonlocal mark
        synchronize(job.device)
        now = time.perf_counter()
        if part:
            seconds[part] += now - mark
        mark = now

    for epoch, order in enumerate(job.orders):
        for rows in order.split(job.batch_size):
            x, target = train.x[rows], train.target[rows]
            add(None)
            loss = learner.forward(x, target)
            add("forward")
            learner.backward(loss)
            add("backward")
            learner.update()
            add("optimizer")
        if val and epoch in job.validated:
            learner.outputs(val.x.split(job.batch_size))
            add("validation")
        learner.end_epoch({})
    return seconds
