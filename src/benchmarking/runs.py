"""Runs of Lightning's Trainer: Kindling's, as `python -m src.train` begins it, and one with Lightning's defaults."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import lightning as L
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from src.benchmarking.comparable import check_config, check_devices, check_start
from src.benchmarking.job import Data, Job, synchronize
from src.benchmarking.out_of_sight import out_of_sight
from src.benchmarking.plain import PlainModule
from src.cli.session import job as hydras_job
from src.config.compose import without_hydra
from src.config.trust import trusted
from src.datamodule import data_of
from src.training import Training


class Kindling(NamedTuple):
    """A run of Kindling's: the job that it did; seconds of it, of its metrics, and of fetching all its batches."""

    job: Job
    seconds: float
    metrics: float
    fetching: float
    weights: dict[str, Tensor]


class Clock(Callback):
    """Seconds from the first step to the end of training."""

    seconds = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        synchronize(pl_module.device)
        self.began = time.perf_counter()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        synchronize(pl_module.device)
        self.seconds = time.perf_counter() - self.began


class Start(Clock):
    """Keeps the job before its first step; beside the clock, the seconds of loss and metrics."""

    def __init__(self, data: Data | None) -> None:
        self.data, self.metrics, self.fetching = data, 0.0, 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        check_start(trainer)
        self.job = Job(trainer, self.data)
        for metrics in (pl_module.train_metrics, pl_module.val_metrics):
            metrics.update, metrics.compute = self._timed(metrics.update), self._timed(metrics.compute)
        for split in data_of(trainer).prepared.values():  # once in a run: no part of an epoch
            split.all()
        super().on_train_start(trainer, pl_module)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.job.validated.add(trainer.current_epoch)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        super().on_train_end(trainer, pl_module)
        self.fetching = _fetching(data_of(trainer).train_dataloader(), self.job.epochs)

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any) -> Any:
            began = time.perf_counter()
            result = function(*args)
            self.metrics += time.perf_counter() - began
            return result

        return timed


def kindling(cfg: DictConfig, prepared: Data | None) -> Kindling:
    """Train as `python -m src.train` does, in a folder that is removed.

    Args:
        cfg: with Hydra's own part.
        prepared: the data of an earlier run with this config, if there was one.

    Raises:
        UserError: the config is wrong, or cannot be compared.
    """
    start = Start(prepared)
    with out_of_sight() as folder, hydras_job(cfg, folder):
        cfg = without_hydra(cfg)
        training = Training(cfg, ["src.benchmark"])
        with trusted(), training.claimed():
            check_config(cfg)
            data, module, trainer = training.begin()
            check_devices(trainer)
            cast(Any, trainer).callbacks.append(start)
            trainer.fit(module, data)
    return Kindling(start.job, start.seconds, start.metrics, start.fetching, cast(Any, module).net.state_dict())


def _fetching(loader: Any, epochs: int) -> float:
    """Seconds in which all batches of the run come, nothing else; a first epoch of them is not counted."""
    for _ in loader:
        pass
    began = time.perf_counter()
    for _ in range(epochs):
        for _ in loader:
            pass
    return time.perf_counter() - began


def lightning(job: Job, cfg: DictConfig) -> float:
    """Seconds of a plain LightningModule in a Trainer with Lightning's defaults."""
    module, optimizer, configs = job.begin()
    train, val = (TensorDataset(*(t.cpu() for t in split or ())) for split in (job.data.train, job.data.val))
    train_loader = DataLoader(train, job.batch_size, shuffle=True, drop_last=job.drop_last)
    val_loader = DataLoader(val, job.batch_size) if job.data.val else None
    keys = ("accelerator", "devices", "precision", "gradient_clip_val", "gradient_clip_algorithm")
    options, every = {key: cfg.trainer[key] for key in keys}, cfg.trainer.check_val_every_n_epoch
    clock = Clock()
    with out_of_sight() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = L.Trainer(
            max_epochs=job.epochs,
            accumulate_grad_batches=job.accumulate,
            check_val_every_n_epoch=every if isinstance(every, int) else 1,
            callbacks=[clock],
            logger=False,
            default_root_dir=folder,
            **options,
        )
        trainer._signal_connector.register_signal_handlers = lambda: None  # as in src/training/trainer.py
        trainer.fit(PlainModule(module, optimizer, configs), train_loader, val_loader)
    return clock.seconds
