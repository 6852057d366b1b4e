"""A run's folder once it has been trained: its config, results, net and data."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from src.config.build import build, locate
from src.config.check import check
from src.config.trust import check_texts, trusted
from src.console.messages import UserError
from src.console.numbers import shown
from src.console.screen import is_first_process
from src.files.results import print_metrics, read_results
from src.run.config import Length, apply_changes, length_of, shortest, written_config

if TYPE_CHECKING:
    from src.datamodule import DataModule
    from src.datasets.description import DataDescription

ENDED = ("finished", "pruned")


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
        return str(shortest(self.folder))

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
        """Whether it has ended with scores: also where a search has pruned it."""
        return self.results.get("status") in ENDED

    def has_come_to(self, length: Length) -> bool:
        """Whether it has ended with scores, as a run of this length: a finished one may be given more epochs."""
        results = self.results
        return results.get("status") in ENDED and all(results.get(name, n) == n for name, n in length.items())

    def report(self) -> None:
        """Print the test metrics (without a test split, those of val) and where everything is."""
        if not is_first_process():
            return
        starts = [(f"{split}/", f"{split}_") for split in ("test", "val", "train")]  # the second of an owner's module
        by_split = [{k: shown(v) for k, v in self.results.items() if k.startswith(start)} for start in starts]
        print_metrics(next(filter(None, by_split), {}))
        print(self)

    def config(self, overrides: list[str] | None = None) -> DictConfig:
        """The config that the run was trained with, changed by `KEY=VALUE`s; GROUP=CHOICE takes a whole group anew.

        Raises:
            UserError: the folder holds no run, or its config is damaged or asks for more than other keys of it; a key
                of another group than data and trainer.
        """
        cfg = written_config(self.folder)
        with trusted(self.trust):
            check_texts("", OmegaConf.to_container(cfg, resolve=False), resolved=False)
        apply_changes(cfg, list(overrides or []))
        return cfg

    @cached_property
    def checkpoint(self) -> dict[str, Any]:
        """The best epoch's.

        Raises:
            UserError: the run has not finished, or its checkpoint is broken, or not the one that was scored.
        """
        from src.files.checkpoints import load_checkpoint
        from src.files.checksum import file_digest

        self.config()  # is it a run at all?
        if not self.is_finished:
            reason = self.results.get("error")
            if reason:
                raise UserError(f"{self} failed: {reason}")
            raise UserError(f"{self} is not finished. Repeat its command: it goes on where it was.")
        checkpoint = load_checkpoint(self.best)
        if self.results.get("checkpoint") not in (None, file_digest(self.best)):
            if not self.has_come_to(length_of(written_config(self.folder))):
                raise UserError(
                    f"{self} was given more epochs, and is not finished with them: its best epoch is another than the "
                    "one that was scored. Repeat its command: it goes on where it was."
                )
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
