"""A run's folder once it has been trained: its config, results, net and data."""

from __future__ import annotations

import os
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from src.config.build import build, locate
from src.config.check import check
from src.config.compose import CONF, compose, flat
from src.config.trust import check_texts, trusted
from src.console.messages import UserError, first_line, nearest
from src.console.screen import is_first_process
from src.files.results import print_metrics, read_results

if TYPE_CHECKING:
    from src.datamodule import DataModule
    from src.datasets.description import DataDescription

# Of a config: what this file and the verbs ask for without more ado.
PARTS = ("data", "module", "task", "trainer")
NEEDED = ("seed", "data.batch_size", "data.num_workers", "trainer.accelerator", "trainer.devices")


class Run:
    """The folder of one run, and what is in it.

    Args:
        trust: whether to build whatever it names, which can run any code: it is the user's own, or of someone whom
            they trust. Else only what src/config/trust.py allows.
    """

    def __init__(self, folder: str | Path, trust: bool = False) -> None:
        self.folder, self.trust = Path(folder), trust
        self.best = self.folder / "checkpoints" / "best.ckpt"
        self.last = self.folder / "checkpoints" / "last.ckpt"
        self.previous = self.folder / "checkpoints" / "previous.ckpt"  # the state before the last
        self.config_file = self.folder / ".hydra" / "config.yaml"
        self.results_file = self.folder / "results.json"

    def __str__(self) -> str:
        try:
            path = os.path.relpath(self.folder)
        except ValueError:  # on another drive of Windows
            return str(self.folder)
        return str(self.folder) if path.startswith("..") else path

    def __repr__(self) -> str:
        return f"Run({str(self)!r})"

    @property
    def results(self) -> dict[str, Any]:
        """What results.json says; empty if the run has not ended. Raises UserError if it is damaged."""
        return read_results(Path(str(self)) / self.results_file.name)

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
            UserError: the folder holds no run, or its config is damaged or asks for more than other keys of it; a key
                of another group than data and trainer.
        """
        cfg = self.written_config()
        with trusted(self.trust):
            check_texts("", OmegaConf.to_container(cfg, resolve=False), resolved=False)
        OmegaConf.set_struct(cfg, True)
        for override in OverridesParser.create().parse_overrides(list(overrides or [])):
            key = override.get_key_element()
            if key.partition(".")[0] not in ("data", "trainer"):
                is_key = "." in key or key in cfg
                hint = "" if is_key else nearest(key, [*flat(cfg), "trust"])
                raise UserError(f"{override.input_line}: only data and trainer of a finished run can change.{hint}")
            if (CONF / key).is_dir():
                OmegaConf.update(cfg, key, self._group(cfg, key, str(override.input_line)), merge=False)
            else:
                OmegaConf.update(cfg, key, override.value())
        return cfg

    def written_config(self) -> DictConfig:
        """The config as it is written: nothing in it is looked up.

        Raises:
            UserError: there is none, or it is damaged.
        """
        if not self.config_file.is_file():
            raise UserError(
                f"{self} is not the folder of a run{'' if self.folder.is_dir() else ', it does not exist'}."
            )
        cfg = self._yaml(self.config_file)
        written: Any = OmegaConf.to_container(cfg, resolve=False)
        for key in (*PARTS, *NEEDED):
            part, _, name = key.rpartition(".")
            within = written[part] if part else written
            if name not in within or (key in PARTS and not isinstance(within[name], dict)):
                raise self._damaged(self.config_file, f"it holds no {key}")
        self._find_files(cfg)
        return cfg

    def _yaml(self, path: Path) -> DictConfig:
        try:
            cfg = OmegaConf.load(path)
        except (YAMLError, UnicodeDecodeError, OmegaConfBaseException, RecursionError, OSError) as error:
            raise self._damaged(path, first_line(error)) from error
        if not isinstance(cfg, DictConfig):
            raise self._damaged(path, "it holds no keys")
        return cfg

    def _damaged(self, path: Path, why: str) -> UserError:
        path = Path(str(self)) / path.relative_to(self.folder)
        return UserError(f"{path} is damaged: {why}. Put back a copy of it, or train the run again with another name=.")

    def _group(self, cfg: DictConfig, key: str, override: str) -> DictConfig:
        """Another choice of a whole group; data are split as the run's are, and stay unseen."""
        from src.datasets.splits import Splitting

        choice = compose(override)[key]
        if key == "data":
            choice.update({field.name: cfg.data[field.name] for field in fields(Splitting)})
        return choice

    def _find_files(self, cfg: DictConfig) -> None:
        """Files that a relative path named where the run was started: the run may be used from anywhere."""
        written = cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=False))
        values = {f"data.{key}": value for key, value in written["data"].items() if str(key).endswith("path")}
        values["weights"] = written.get("weights")
        paths = {key: value for key, value in values.items() if isinstance(value, str) and "${" not in value}
        for key, value in paths.items():
            if not Path(value).exists() and (there := Path(self._start, value)).exists():
                OmegaConf.update(cfg, key, str(there))

    @cached_property
    def _start(self) -> str:
        """The folder in which the run was started."""
        hydra_file = self.config_file.with_name("hydra.yaml")
        written: Any = OmegaConf.to_container(self._yaml(hydra_file), resolve=False)
        try:
            return str(written["hydra"]["runtime"]["cwd"])
        except (KeyError, TypeError) as error:
            raise self._damaged(hydra_file, "it holds no hydra.runtime.cwd") from error

    @cached_property
    def checkpoint(self) -> dict[str, Any]:
        """The best epoch's.

        Raises:
            UserError: the run has not finished, or its checkpoint is broken, or not the one that was scored.
        """
        from src.files.checkpoints import checksum, load_checkpoint

        self.config()  # is it a run at all?
        if not self.is_finished:
            reason = self.results.get("error")
            if reason:
                raise UserError(f"{self} failed: {reason}")
            raise UserError(f"{self} is not finished. Repeat its command: it goes on where it was.")
        checkpoint = load_checkpoint(self.best)
        if self.results.get("checkpoint") not in (None, checksum(self.best)):
            raise UserError(
                f"{self.best} is not the one that this run was scored with: its checksum is not that in results.json. "
                "Put that one back, or train the run again with another name=."
            )
        return checkpoint

    @property
    def description(self) -> DataDescription:
        """What the data taught it."""
        from src.datamodule import description_in

        return description_in(self.checkpoint)

    def load(self) -> Any:
        """The module with the best weights, ready to predict: a SupervisedModule, or one of the user's own.

        Raises:
            UserError: the run has not finished, or its checkpoint is broken or not this net's, or names what may not be
                built.
        """
        from src.files.checkpoints import built, restored

        checkpoint, spec = self.checkpoint, self.config().module
        with trusted(self.trust):
            if checkpoint.get("hyper_parameters") is None:  # a module of one's own that does not save them
                return restored(build(spec, "module"), checkpoint)
            return restored(built(locate("module", spec.get("_target_")), checkpoint, self.best), checkpoint)

    def reader(self, changes: dict[str, Any]) -> Any:
        """What reads new inputs as the run's data were read, see `Reader` in src/datasets/contract.py.

        `changes`: its parameters, where it has them.
        """
        spec = self.description.reader
        with trusted(self.trust):
            return build({**spec, **{name: value for name, value in changes.items() if name in spec}}, "data")

    def data(self, cfg: DictConfig | None = None, all_for_test: bool = False) -> DataModule:
        """Its data, split as they were in training.

        Args:
            cfg: from `config`, with changes; None: as they were.
            all_for_test: the data are others, which the run has never seen: all are for the test.

        Raises:
            UserError: a value that cannot be, data that are not like those that it was trained on, or what names what
                may not be built.
        """
        cfg = self.config() if cfg is None else cfg.copy()
        if all_for_test:  # files beside the run's own data, such as val_path, are not the new ones'
            before = self.config().data
            beside = [key for key in cfg.data if str(key).endswith("_path") and cfg.data[key] == before.get(key)]
            cfg.data.update(dict.fromkeys(beside))
        with trusted(self.trust):
            check(cfg, "data", "task", "trainer")
            data = build(cfg.data, "data")
            data.continue_from(self.checkpoint, all_for_test)
            data.setup("test")
        return data


def asked_for(folder: str, changes: list[str]) -> tuple[Run, list[str]]:
    """The run in a folder, and `changes` without `trust=true`, which is a word to the command, and no key of the run.

    Raises:
        UserError: trust is something else.
    """
    words = {change: change.partition("=")[2].lower() for change in changes if change.partition("=")[0] == "trust"}
    for change, word in words.items():
        if word not in ("true", "false"):
            raise UserError(f"{change}: true or false is needed.")
    return Run(folder, "true" in words.values()), [change for change in changes if change not in words]


def require(module: Any, method: str, what: str) -> None:
    """Raise UserError if a module of the user's own lacks the method by which `what`, such as src.export, works."""
    import lightning as L

    if getattr(type(module), method, None) in (None, getattr(L.LightningModule, method, None)):
        raise UserError(f"{type(module).__name__} has no method `{method}`, which {what} needs: add it.")
