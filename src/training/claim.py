"""A run's folder is one process' own while it trains."""

from __future__ import annotations

import shutil
from typing import IO, Any

from omegaconf import DictConfig

from src.config.compose import flat
from src.config.quoting import as_typed
from src.console.messages import UserError
from src.files.lock import lock
from src.run import Run
from src.run.config import LENGTH, is_of_the_sweep, length_of, write_config, written_config


class Claim:
    """The right to write into a run's folder, until `release`.

    Attributes:
        is_held: it has been taken.
    """

    def __init__(self, run: Run, cfg: DictConfig) -> None:
        self.run, self.cfg = run, cfg
        self.lock: IO[str] | None = None
        self.is_new = self.is_held = False

    def take(self) -> None:
        """Lock the folder, and write the config into it, if no run is there yet.

        Raises:
            UserError: another process has the folder, or it holds other files, or a run with another config.
        """
        run, folder = self.run, self.run.folder
        files = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        if files - {".hydra", "train.log"} and not run.config_file.exists():
            raise UserError(f"{run} holds other files, and no run. Choose another name=.")
        run.config_file.parent.mkdir(parents=True, exist_ok=True)
        self.lock = (folder / ".hydra" / "lock").open("a")
        try:
            lock(self.lock)
        except OSError as error:
            raise UserError(f"{run} is being trained by another process. Choose another name=.") from error
        self.is_new = not run.config_file.exists()
        if run.is_finished or run.has_begun:  # in this order: damaged results are told before it is claimed
            self._check_same_config()
        else:
            write_config(run.folder, self.cfg)
        self.is_held = True

    def give_back(self) -> bool:
        """Remove a new folder in which nothing was learnt yet; whether it was."""
        if not self.is_new or self.run.has_begun or self.run.best.exists():
            return False
        self.release()  # Windows removes no open file
        shutil.rmtree(self.run.folder)
        return True

    def remove_if_empty(self) -> None:
        """Hydra makes the folder before it calls us."""
        folder = self.run.folder
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()

    def release(self) -> None:
        """Let another process have the folder."""
        if self.lock:
            self.lock.close()

    def _check_same_config(self) -> None:
        """Raise UserError if the folder's run has another config, by which it would come to something else.

        A larger length alone is no other: a run that has come to its end goes on to that.
        """
        old, new = flat(written_config(self.run.folder)), flat(self.cfg)
        keys = [key for key in {**old, **new} if not is_of_the_sweep(key) and key != "steps_per_execution"]
        differing = [key for key in keys if old.get(key, "") != new.get(key, "")]
        if differing and set(differing) <= {f"trainer.{name}" for name in LENGTH}:
            from src.training.more_epochs import check_more  # which needs Lightning

            if not self.run.has_come_to(length_of(self.cfg)):
                check_more(self.run, self.cfg)
        elif differing:
            was = ", ".join(
                f"{_said(old, key)} (now {_said(new, key).removeprefix(f'{key}=')})" for key in differing[:5]
            )
            raise UserError(f"{self.run} holds a run with {was}. Choose another name=, or repeat that run's command.")


def _said(config: dict[str, Any], key: str) -> str:
    return f"{key}={as_typed(config[key])}" if key in config else f"no {key}"
