"""A run that is being trained: its folder is claimed, locked, and finished or given back."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from src.config.build import build, locate, parameters_of
from src.config.check import check
from src.config.compose import PROJECT, flat
from src.config.preflight import check_run
from src.config.trust import is_trusted
from src.console.messages import FULL, UserError, in_words
from src.console.screen import is_first_process, notice
from src.console.signals import STOPPING, stop_code
from src.files.atomic import write_text
from src.files.lock import lock
from src.files.origin import keep_uncommitted, made_with
from src.files.results import write_results
from src.run import Run

if TYPE_CHECKING:
    import lightning as L

log = logging.getLogger("kindling")
PARTS = ("net", "loss", "metrics", "optimizer", "scheduler", "weights", "freeze", "standardize", "compile")


class Training:
    """One run while it is trained, in the folder of Hydra's job.

    Args:
        cfg: the whole config.
        command: what was typed behind `python -m`: the verb, and its arguments.
    """

    def __init__(self, cfg: DictConfig, command: Sequence[str]) -> None:
        self.command, self.made_with = list(command), dict[str, Any]()
        self.run, self.cfg = Run(HydraConfig.get().runtime.output_dir), cfg
        self.lock: IO[str] | None = None
        self.is_new = self.is_claimed = False

    @contextmanager
    def claimed(self) -> Iterator[Run]:
        """Inside it the run's folder is its own; a failure is noted in its results.json.

        What the user did wrong, or stopped, before anything was learnt leaves no folder behind.

        Raises:
            UserError: another process has the folder, or it holds other files, or a run with another config.
        """
        try:
            check(self.cfg)
            check_run(self.cfg)
            self._check_module()
            if is_first_process():
                self._claim()
            yield self.run
        except (Exception, SystemExit) as error:
            code = stop_code() or _stopped_elsewhere(error)
            if code is not None:
                self._say_stopped(code)
                raise SystemExit(code) from error
            if not self.is_claimed:
                self._remove_if_empty()
            elif not self.run.config_file.exists():
                raise UserError(
                    f"{self.run} was removed, or moved, while it was trained. It begins again with: {self._command_to_go_on()} (or "
                    "goes on, if it was moved, with its new name=)."
                ) from error
            elif not ((in_words(error) or isinstance(error, BrokenPipeError)) and self._give_back()):
                self._note_failure(error)
                if isinstance(error, OSError) and error.errno not in FULL and (words := in_words(error)):
                    raise UserError(f"{words} What was learnt is kept. To go on: {self._command_to_go_on()}") from error
            raise
        finally:
            if self.lock:
                self.lock.close()

    @property
    def resume_from(self) -> Path | None:
        """The last state, or if its file is damaged the one before; None at the first start.

        Raises:
            UserError: none of them can be read.
        """
        from src.files.checkpoints import load_checkpoint

        last, previous = self.run.last, self.run.previous
        if not self.run.has_begun:
            return None
        if not last.exists():  # killed between two renames
            return previous
        try:
            load_checkpoint(last)
        except UserError as error:
            if not previous.exists():
                raise UserError(f"{error} Nothing is left to go on from: choose another name=.") from error
            load_checkpoint(previous)
            notice(f"{error} It is kept as damaged.ckpt; the run goes on from the state before it.")
            last.replace(last.with_name("damaged.ckpt"))
            previous.replace(last)
        return last

    def trainer(self) -> L.Trainer:
        """The Trainer of the config, with its callbacks, which goes on from the run's last state."""
        from src.callbacks.made_with import MadeWith

        callbacks = [build(spec, f"callbacks.{name}") for name, spec in self.cfg.callbacks.items() if spec]
        callbacks.append(MadeWith(self.made_with))
        trainer = build_trainer(self.cfg, callbacks=callbacks, default_root_dir=self.run.folder)
        trainer.ckpt_path = self.resume_from  # as an argument of `fit` the module's `setup` would not see it
        return trainer

    def finish(self, trainer: L.Trainer) -> None:
        """Score the best epoch on val and test, and write results.json: those metrics, and the epoch's of training."""
        from src.callbacks.best import BestCheckpoint
        from src.callbacks.history import history_of, read_history
        from src.files.checkpoints import checksum

        self.run.trust = (
            is_trusted() and trainer.ckpt_path is None
        )  # it is this process' own; else the best may be another's
        trainer.ckpt_path = None
        metrics = {k: v for split in ("validate", "test") for k, v in _scored(trainer, split, self.run.best).items()}
        if not is_first_process():
            return
        _tell_time(trainer)
        rows = read_history(history_of(self.run.folder))
        best = next(c for c in trainer.checkpoint_callbacks if isinstance(c, BestCheckpoint))
        row = next((row for row in rows if row["epoch"] == best.best_epoch), {})  # none if the history was damaged
        metrics = {name: value for name, value in row.items() if name.startswith("train/")} | metrics
        self.run.previous.unlink(missing_ok=True)
        seconds = rows[-1]["seconds"] if rows else None
        ended = {"epochs": trainer.current_epoch, "seconds": seconds, "checkpoint": checksum(self.run.best)}
        write_results(self.run.results_file, status="finished", **metrics, **ended, **self.made_with)

    def _check_module(self) -> None:
        """Raise UserError if it is no LightningModule, or if the user chooses a part that it does not take."""
        from lightning import LightningModule

        target = self.cfg.module["_target_"]
        module_class = locate("module", target)
        if not (isinstance(module_class, type) and issubclass(module_class, LightningModule)):
            raise UserError(f"module._target_={target} is no LightningModule.")
        takes, takes_any = parameters_of("module", target)
        for override in HydraConfig.get().overrides.task:
            part = override.lstrip("+~").partition("=")[0].partition(".")[0]
            if part in PARTS and part not in takes and not takes_any:
                raise UserError(f"{override}: {target} takes no {part}.")

    def _claim(self) -> None:
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
            self._compare()
        else:
            parts = {
                "hydra": HydraConfig.instance().cfg,
                "overrides": HydraConfig.get().overrides.task,
                "config": self.cfg,
            }
            for name, part in parts.items():
                write_text(folder / ".hydra" / f"{name}.yaml", OmegaConf.to_yaml(part))
        self.is_claimed = True
        if not run.is_finished:  # now: the code may change while the run goes on
            self.made_with |= {"command": shlex.join(["python", "-m", *self.command]), "seed": self.cfg.seed}
            self.made_with |= made_with(PROJECT)
            self.made_with["uncommitted"] = keep_uncommitted(PROJECT, folder, run.has_begun)

    def _compare(self) -> None:
        """Raise UserError if the folder's run has another config."""
        old, new = flat(self.run.written_config()), flat(self.cfg)
        keys = {**old, **new}.keys() - {"name", "trusted"}
        differing = [key for key in {**old, **new} if key in keys and old.get(key, "") != new.get(key, "")]
        if differing:
            was = ", ".join(f"{key}={old.get(key)} (now {new.get(key)})" for key in differing[:5])
            raise UserError(f"{self.run} holds a run with {was}. Choose another name=, or repeat that run's command.")

    def _give_back(self) -> bool:
        """Remove a new folder in which nothing was learnt yet; whether it was."""
        if not self.is_new or self.run.has_begun or self.run.best.exists():
            return False
        if self.lock:
            self.lock.close()  # Windows removes no open file
        shutil.rmtree(self.run.folder)
        return True

    def _note_failure(self, error: BaseException) -> None:
        """In the log and results.json, if they can be written."""
        reason = in_words(error) or repr(error)
        with suppress(OSError):
            log.exception("failed")
            write_results(self.run.results_file, status="failed", error=reason, **self.made_with)

    def _remove_if_empty(self) -> None:
        """Hydra makes the folder before it calls us."""
        folder = self.run.folder
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()

    def _say_stopped(self, code: int) -> None:
        self._remove_if_empty()
        if (self.is_claimed and self._give_back()) or not self.run.folder.exists():
            print("Stopped before anything was learnt.", file=sys.stderr)
        elif is_first_process():
            log.warning("stopped with exit code %s", code)
            is_by_slurm = code == 128 + getattr(signal, "SIGUSR1", 0)
            requeued = " Slurm starts it again." if is_by_slurm and self._has_name() and _requeued() else ""
            print(f"Stopped.{requeued} To go on: {self._command_to_go_on()}", file=sys.stderr)

    def _command_to_go_on(self) -> str:
        """For this run, or for its whole sweep."""
        command, hydra_cfg = list(self.command), HydraConfig.get()
        is_sweep = hydra_cfg.mode == RunMode.MULTIRUN
        folder = Path(hydra_cfg.sweep.dir if is_sweep else hydra_cfg.run.dir)
        if folder.parts[0] == "outputs" and not self._has_name():
            command.append(f"name={folder.relative_to('outputs')}")
        return f"python -m {shlex.join(command)}"

    def _has_name(self) -> bool:
        """Whether the same command finds the same folder."""
        return any(a.lstrip("+").startswith(("name=", "hydra.run.dir=", "hydra.sweep.dir=")) for a in self.command)


def build_trainer(cfg: DictConfig, **options: Any) -> L.Trainer:
    """Lightning's Trainer; its own bar and summary would come beside ours."""
    trainer = build(cfg.trainer, "trainer", enable_progress_bar=False, enable_model_summary=False, **options)
    # Ours know when it is safe to stop. Lightning's stop between a step and its validation, and wait for other devices
    # inside a signal's handler, which may be for ever.
    trainer._signal_connector.register_signal_handlers = lambda: None
    return trainer


def _scored(trainer: L.Trainer, verb: str, best: Path) -> dict[str, float]:
    """Metrics of the best epoch on a split; none if there is no such split, or the module does not score it."""
    from lightning.pytorch.utilities.model_helpers import is_overridden

    from src.datamodule import data_of

    step = {"validate": "validation_step", "test": "test_step"}[verb]
    if not is_overridden(step, trainer.lightning_module):
        return {}
    score = getattr(trainer, verb)
    [*metrics] = score(trainer.lightning_module, data_of(trainer), ckpt_path=best, verbose=False)
    return {name: value for some in metrics for name, value in some.items()}


def _stopped_elsewhere(error: BaseException) -> int | None:
    """The exit code, if a signal to another of the processes that train together has stopped this one with it."""
    code = error.code if isinstance(error, SystemExit) else None
    return code if isinstance(code, int) and code - 128 in STOPPING else None


def _tell_time(trainer: L.Trainer) -> None:
    """Say so if trainer.max_time has ended the run."""
    from lightning.pytorch.callbacks import Timer

    callbacks = cast(Any, trainer).callbacks
    timer = next((callback for callback in callbacks if isinstance(callback, Timer)), None)
    left = timer.time_remaining() if timer else None
    if left is not None and left <= 0:
        notice(
            f"trainer.max_time was up after {trainer.current_epoch} epochs, the last of them perhaps in part; the best "
            "is tested. To train longer: a larger one, and another name=."
        )


def _requeued() -> bool:
    """Whether Slurm, which has said that the job's time is nearly up, will start it again: its command goes on."""
    job = os.environ.get("SLURM_ARRAY_JOB_ID", os.environ.get("SLURM_JOB_ID"))
    if job is None:
        return False
    task = os.environ.get("SLURM_ARRAY_TASK_ID")
    try:
        done = subprocess.run(["scontrol", "requeue", f"{job}_{task}" if task else job], check=False)
    except OSError:
        return False
    return done.returncode == 0
