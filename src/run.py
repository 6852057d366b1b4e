"""A run folder: its config, checkpoints and results; make one, find one, load one."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from src.cli.errors import in_words
from src.config.build import build, check
from src.config.compose import CONF, compose, flat
from src.console.messages import nearest
from src.console.screen import is_first_process
from src.console.signals import stop_code
from src.files.atomic import write_text
from src.files.results import print_scores, write_results

if TYPE_CHECKING:
    from src.datamodule import DataModule
    from src.module import SupervisedModule

log = logging.getLogger("kindling")

DIVIDED = ("split_seed", "fractions", "stratify", "folds", "fold")  # keys of every data, and of tables:
SPLIT = [f"data.{name}" for name in (*DIVIDED, "group_column", "split_column")]


class Run:
    """The folder of one run."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.best = self.folder / "checkpoints" / "best.ckpt"
        self.last = self.folder / "checkpoints" / "last.ckpt"
        self._config = self.folder / ".hydra" / "config.yaml"
        self._lock: IO[str] | None = None
        self._is_new = self._is_claimed = False

    def __str__(self) -> str:
        path = os.path.relpath(self.folder)
        return str(self.folder) if path.startswith("..") else path

    # --- a run that is to be trained -------------------------------------------------------------------------------

    @contextmanager
    def training(self, cfg: DictConfig) -> Iterator[None]:
        """Inside it the folder is this run's own; a failure is noted in its results.json.

        What the user did wrong, or stopped, before anything was learnt leaves no folder behind.

        Raises:
            ValueError: another process has the folder, or it holds other files, or a run with another config.
        """
        try:
            check(cfg)
            if is_first_process():
                self._claim(cfg)
            yield
        except (Exception, SystemExit) as error:
            if stop_code() is not None:
                self._say_stopped()
                raise SystemExit(stop_code()) from error
            if not self._is_claimed:
                self._remove_if_empty()
            elif not ((in_words(error) or isinstance(error, BrokenPipeError)) and self._forget()):
                log.exception("failed")
                self.save_results(status="failed", error=in_words(error) or repr(error))
            raise
        finally:
            if self._lock:
                self._lock.close()

    def _say_stopped(self) -> None:
        self._remove_if_empty()
        if (self._is_claimed and self._forget()) or not self.folder.exists():
            print("Stopped before anything was learnt.", file=sys.stderr)
        elif is_first_process():
            print(f"Stopped. To go on: {self._command()}", file=sys.stderr)
            log.info("stopped with exit code %s", stop_code())

    def _claim(self, cfg: DictConfig) -> None:
        files = {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set()
        if files - {".hydra", "train.log"} and not self._config.exists():
            raise ValueError(f"{self} holds other files, and no run. Choose another name=.")
        self._config.parent.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / ".hydra" / "lock").open("w")
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # not flock: loader processes would inherit it
        except OSError as error:
            raise ValueError(f"{self} is being trained by another process. Choose another name=.") from error
        self._is_new = not self._config.exists()
        if self.last.exists() or self.is_finished:
            self._compare(cfg)
        else:
            parts = {
                "hydra": HydraConfig.instance().cfg,
                "overrides": HydraConfig.get().overrides.task,
                "config": cfg,
            }
            for name, part in parts.items():
                write_text(self.folder / ".hydra" / f"{name}.yaml", OmegaConf.to_yaml(part))
        self._is_claimed = True

    def _forget(self) -> bool:
        """Remove a new folder in which nothing was learnt yet; whether it was."""
        if not self._is_new or self.last.exists() or self.best.exists():
            return False
        shutil.rmtree(self.folder)
        return True

    def _remove_if_empty(self) -> None:
        """Hydra makes the folder before it calls us."""
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _command(self) -> str:
        """What goes on with this run, or with its whole sweep."""
        arguments = sys.argv[1:]
        hydra_cfg = HydraConfig.get()
        is_sweep = hydra_cfg.mode == RunMode.MULTIRUN
        folder = Path(hydra_cfg.sweep.dir if is_sweep else hydra_cfg.run.dir)
        if folder.parts[0] == "outputs" and not any(a.lstrip("+").startswith("name=") for a in arguments):
            arguments.append(f"name={folder.relative_to('outputs')}")
        return f"python -m src.train {shlex.join(arguments)}"

    def _compare(self, cfg: DictConfig) -> None:
        old, new = flat(self.config()), flat(cfg)
        differing = [key for key in {**old, **new} if key != "name" and old.get(key, "") != new.get(key, "")]
        if differing:
            was = ", ".join(f"{key}={old.get(key)} (now {new.get(key)})" for key in differing[:5])
            raise ValueError(f"{self} holds a run with {was}. Choose another name=, or repeat that run's command.")

    @property
    def results(self) -> dict[str, Any]:
        """What results.json says; empty if the run has not ended."""
        path = self.folder / "results.json"
        return json.loads(path.read_text()) if path.exists() else {}

    @property
    def is_finished(self) -> bool:
        return self.results.get("status") == "finished"

    def report(self) -> None:
        """Print the test scores (without a test split, those of val) and where everything is."""
        if not is_first_process():
            return
        by_split = [{k: v for k, v in self.results.items() if k.startswith(s)} for s in ("test/", "val/", "train/")]
        print_scores(next(filter(None, by_split), {}))
        print(self)

    def finish(self, cfg: DictConfig, scores: Mapping[str, float]) -> None:
        """Write results.json with `scores`, the training scores of the best epoch, and how long it took."""
        from src.callbacks.history import best_row, read_history

        if not is_first_process():
            return
        rows = read_history(self.folder / "logs" / "metrics.csv")
        best = best_row(rows, cfg.monitor, cfg.mode)
        scores = {name: score for name, score in best.items() if name.startswith("train/")} | dict(scores)
        self.save_results(status="finished", **scores, epochs=len(rows), seconds=rows[-1]["seconds"], seed=cfg.seed)

    def save_results(self, **results: Any) -> None:
        write_results(self.folder / "results.json", results)

    # --- a run that has been trained -------------------------------------------------------------------------------

    def config(self, overrides: list[str] | None = None) -> DictConfig:
        """The config that the run was trained with, changed by `KEY=VALUE`s; GROUP=CHOICE takes a whole group anew.

        Raises:
            ValueError: the folder holds no run.
        """
        if not self._config.is_file():
            raise ValueError(
                f"{self} is not the folder of a run{'' if self.folder.is_dir() else ', it does not exist'}."
            )
        cfg = OmegaConf.load(self._config)
        assert isinstance(cfg, DictConfig)
        self._find_files(cfg)
        OmegaConf.set_struct(cfg, True)
        for override in OverridesParser.create().parse_overrides(list(overrides or [])):
            key = override.get_key_element()
            if key.partition(".")[0] not in ("data", "trainer"):
                is_key = "." in key or key in cfg
                hint = "" if is_key else nearest(key, flat(cfg))
                raise ValueError(f"{override.input_line}: only data and trainer of a finished run can change.{hint}")
            if key in SPLIT:
                raise ValueError(f"{override.input_line}: the run would be scored on examples that it has learnt from.")
            if (CONF / key).is_dir():
                taken = compose(str(override.input_line))[key]
                if key == "data":  # the same examples stay unseen
                    taken.update({name: cfg.data[name] for name in DIVIDED})
                OmegaConf.update(cfg, key, taken, merge=False)
            else:
                OmegaConf.update(cfg, key, override.value())
        return cfg

    def _find_files(self, cfg: DictConfig) -> None:
        """Data that a relative path named where the run was started: the run may be used from anywhere."""
        hydra_cfg = OmegaConf.load(self._config.with_name("hydra.yaml"))
        for key, value in cfg.data.items():
            if str(key).endswith("path") and isinstance(value, str) and not Path(value).exists():
                there = Path(OmegaConf.select(hydra_cfg, "hydra.runtime.cwd"), value)
                if there.exists():
                    cfg.data[key] = str(there)

    def load(self) -> SupervisedModule:
        """The module with the best weights, ready to answer.

        Raises:
            ValueError: the run has not finished, or its checkpoint is broken or not this net's.
        """
        from src.files.checkpoints import load_checkpoint
        from src.module import SupervisedModule

        self.config()  # is it a run at all?
        if not self.is_finished:
            reason = self.results.get("error")
            if reason:
                raise ValueError(f"{self} failed: {reason}")
            raise ValueError(f"{self} is not finished. Repeat its command: it goes on where it was.")
        checkpoint = load_checkpoint(self.best)
        module = SupervisedModule(**checkpoint["hyper_parameters"])
        module.on_load_checkpoint(checkpoint)
        module.load_state_dict(checkpoint["state_dict"])
        return module.eval()


def load_data(cfg: DictConfig, module: SupervisedModule, are_new: bool = False) -> DataModule:
    """The data of a finished run, split as they were in training; `cfg` is from `Run.config`.

    `are_new`: they are others than those; then all that `data.path` holds are for the test.

    Raises:
        ValueError: a value that cannot be, or data that are not like those that `module` has learnt from.
    """
    check(cfg)
    if are_new:
        cfg.data.update({key: None for key in ("val_path", "test_path") if key in cfg.data})
    data = build(cfg.data)
    data.adopt(module.hparams, are_new)
    data.setup("test")
    module.check_data(data)
    return data
