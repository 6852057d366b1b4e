"""A run's folder once it has been trained: its config, results, net and data."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from src.config.build import build, locate
from src.config.check import check
from src.config.compose import CONF, compose, flat
from src.console.messages import UserError, nearest
from src.console.screen import is_first_process
from src.files.results import print_metrics

if TYPE_CHECKING:
    import lightning as L

    from src.datamodule import DataModule
    from src.datasets.description import DataDescription


class Run:
    """The folder of one run, and what is in it."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.best = self.folder / "checkpoints" / "best.ckpt"
        self.last = self.folder / "checkpoints" / "last.ckpt"
        self.previous = self.folder / "checkpoints" / "previous.ckpt"  # the state before the last
        self.config_file = self.folder / ".hydra" / "config.yaml"
        self.results_file = self.folder / "results.json"

    def __str__(self) -> str:
        path = os.path.relpath(self.folder)
        return str(self.folder) if path.startswith("..") else path

    def __repr__(self) -> str:
        return f"Run({str(self)!r})"

    @property
    def results(self) -> dict[str, Any]:
        """What results.json says; empty if the run has not ended."""
        return json.loads(self.results_file.read_text()) if self.results_file.exists() else {}

    @property
    def has_begun(self) -> bool:
        """Whether it has left a state to go on from."""
        return self.last.exists() or self.previous.exists()

    @property
    def is_finished(self) -> bool:
        return self.results.get("status") == "finished"

    def report(self) -> None:
        """Print the test metrics (without a test split, those of val) and where everything is."""
        if not is_first_process():
            return
        by_split = [{k: v for k, v in self.results.items() if k.startswith(s)} for s in ("test/", "val/", "train/")]
        print_metrics(next(filter(None, by_split), {}))
        print(self)

    def config(self, overrides: list[str] | None = None) -> DictConfig:
        """The config that the run was trained with, changed by `KEY=VALUE`s; GROUP=CHOICE takes a whole group anew.

        Raises:
            UserError: the folder holds no run, or a key of another group than data and trainer.
        """
        if not self.config_file.is_file():
            raise UserError(
                f"{self} is not the folder of a run{'' if self.folder.is_dir() else ', it does not exist'}."
            )
        cfg = OmegaConf.load(self.config_file)
        assert isinstance(cfg, DictConfig)
        self._find_files(cfg)
        OmegaConf.set_struct(cfg, True)
        for override in OverridesParser.create().parse_overrides(list(overrides or [])):
            key = override.get_key_element()
            if key.partition(".")[0] not in ("data", "trainer"):
                is_key = "." in key or key in cfg
                hint = "" if is_key else nearest(key, flat(cfg))
                raise UserError(f"{override.input_line}: only data and trainer of a finished run can change.{hint}")
            if (CONF / key).is_dir():
                OmegaConf.update(cfg, key, self._group(cfg, key, str(override.input_line)), merge=False)
            else:
                OmegaConf.update(cfg, key, override.value())
        return cfg

    def _group(self, cfg: DictConfig, key: str, override: str) -> DictConfig:
        """Another choice of a whole group; data are split as the run's are, and stay unseen."""
        from src.datasets.splits import Splitting

        choice = compose(override)[key]
        if key == "data":
            choice.update({field.name: cfg.data[field.name] for field in fields(Splitting)})
        return choice

    def _find_files(self, cfg: DictConfig) -> None:
        """Data that a relative path named where the run was started: the run may be used from anywhere."""
        hydra_cfg = OmegaConf.load(self.config_file.with_name("hydra.yaml"))
        for key, value in cfg.data.items():
            if str(key).endswith("path") and isinstance(value, str) and not Path(value).exists():
                there = Path(OmegaConf.select(hydra_cfg, "hydra.runtime.cwd"), value)
                if there.exists():
                    cfg.data[key] = str(there)

    @cached_property
    def checkpoint(self) -> dict[str, Any]:
        """The best epoch's.

        Raises:
            UserError: the run has not finished, or its checkpoint is broken.
        """
        from src.files.checkpoints import load_checkpoint

        self.config()  # is it a run at all?
        if not self.is_finished:
            reason = self.results.get("error")
            if reason:
                raise UserError(f"{self} failed: {reason}")
            raise UserError(f"{self} is not finished. Repeat its command: it goes on where it was.")
        return load_checkpoint(self.best)

    @property
    def description(self) -> DataDescription:
        """What the data taught it."""
        from src.datamodule import description_in

        return description_in(self.checkpoint)

    def load(self) -> Any:
        """The module with the best weights, ready to predict: a SupervisedModule, or one of the user's own.

        Raises:
            UserError: the run has not finished, or its checkpoint is broken or not this net's.
        """
        checkpoint = self.checkpoint
        target = self.config().module["_target_"]
        parameters = checkpoint.get("hyper_parameters")
        if parameters is None:  # a module of one's own that does not save them
            module: L.LightningModule = build(self.config().module, "module")
        else:
            module = locate("module", target)(**parameters)
        module.on_load_checkpoint(checkpoint)
        module.load_state_dict(checkpoint["state_dict"])
        return module.eval()

    def data(self, cfg: DictConfig | None = None, all_for_test: bool = False) -> DataModule:
        """Its data, split as they were in training.

        Args:
            cfg: from `config`, with changes; None: as they were.
            all_for_test: the data are others, which the run has never seen: all are for the test.

        Raises:
            UserError: a value that cannot be, or data that are not like those that it was trained on.
        """
        cfg = self.config() if cfg is None else cfg.copy()
        check(cfg)
        if all_for_test:  # files beside the run's own data, such as val_path, are not the new ones'
            before = self.config().data
            beside = [key for key in cfg.data if str(key).endswith("_path") and cfg.data[key] == before.get(key)]
            cfg.data.update(dict.fromkeys(beside))
        data = build(cfg.data, "data")
        data.continue_from(self.checkpoint, all_for_test)
        data.setup("test")
        return data


def require(module: Any, method: str, what: str) -> None:
    """Raise UserError if a module of the user's own lacks the method by which `what`, such as src.export, works."""
    import lightning as L

    if getattr(type(module), method, None) in (None, getattr(L.LightningModule, method, None)):
        raise UserError(f"{type(module).__name__} has no method `{method}`, which {what} needs: add it.")
