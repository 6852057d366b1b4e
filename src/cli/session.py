"""A job of `python -m src.train` inside a script or a notebook."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict, read_write

from src.cli.errors import config_error
from src.config.compose import compose, new_folder, without_hydra
from src.console.messages import UserError
from src.console.signals import stop_code, stoppable


@contextmanager
def composed(*overrides: str) -> Iterator[DictConfig]:
    """Inside it Hydra's job is that of `overrides`; outside, the process is as it was.

    Raises:
        UserError: an override that the config does not know.
        KeyboardInterrupt: SIGINT or SIGTERM has stopped the job, which can go on later.
    """
    new_folder.cache_clear()  # each of several runs in a process has its own
    try:
        cfg = compose(*overrides, with_hydra=True)
    except Exception as error:
        words = config_error(error)
        if words is None:
            raise
        raise UserError(words) from error
    in_main_thread = threading.current_thread() is threading.main_thread()
    with _process_restored(), stoppable() if in_main_thread else nullcontext(), job(cfg, cfg.hydra.run.dir):
        try:
            yield without_hydra(cfg)
        except SystemExit:
            if stop_code() is None:
                raise
            raise KeyboardInterrupt from None


@contextmanager
def job(cfg: DictConfig, folder: str | Path) -> Iterator[None]:
    """Inside it Hydra's job has its part of `cfg`, but this folder."""
    before = HydraConfig.instance().cfg
    Path(folder).mkdir(parents=True, exist_ok=True)
    with read_write(cfg.hydra), open_dict(cfg.hydra):
        cfg.hydra.run.dir, cfg.hydra.runtime.output_dir = str(folder), str(Path(folder).absolute())
    HydraConfig.instance().set_config(cfg)
    log = logging.FileHandler(Path(folder) / "train.log", delay=True)
    logging.getLogger("kindling").addHandler(log)
    try:
        yield
    finally:
        logging.getLogger("kindling").removeHandler(log)
        log.close()
        HydraConfig.instance().cfg = before


@contextmanager
def _process_restored() -> Iterator[None]:
    """Random numbers, environment, warnings, log levels and threads are afterwards as they were."""
    import torch

    from src.datasets.sampling import random_numbers_kept

    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    environment, levels = dict(os.environ), [logger.level for logger in loggers]
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    try:
        with random_numbers_kept(), warnings.catch_warnings():
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        os.environ.clear()
        os.environ.update(environment)
