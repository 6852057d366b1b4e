"""A run that is being trained: from the claim of its folder to its results."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from src.config.build import build
from src.config.check import check
from src.config.compose import PROJECT
from src.config.preflight import check_module, check_run
from src.config.trust import is_trusted
from src.console import startup
from src.console.messages import FULL, UserError, in_words
from src.console.screen import in_sweep, is_first_process
from src.console.signals import wait_for_safe_points
from src.files.origin import keep_uncommitted, made_with
from src.files.results import write_results
from src.run import Run
from src.run.config import LENGTH, length_of
from src.training.calibration import calibrating, check_calibrated
from src.training.claim import Claim
from src.training.interruption import command_to_go_on, say_stopped, stopped_by
from src.training.job_of_sweep import run_alone
from src.training.trainer import build_trainer, scored, tell_time

if TYPE_CHECKING:
    import lightning as L

log = logging.getLogger("kindling")


class Training:
    """One run while it is trained, in the folder of Hydra's job.

    Args:
        cfg: the whole config.
        command: what was typed behind `python -m`: the verb, and its arguments.
    """

    def __init__(self, cfg: DictConfig, command: Sequence[str]) -> None:
        self.command, self.made_with = list(command), dict[str, Any]()
        self.run, self.cfg = Run(HydraConfig.get().runtime.output_dir), cfg
        self.claim = Claim(self.run, cfg)

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
            target, typed = self.cfg.module["_target_"], HydraConfig.get().overrides.task
            check_module(target, typed)
            check_calibrated(target, typed)
            if is_first_process():
                self.claim.take()
                self._gather_what_it_is_made_with()
            yield self.run
        except (Exception, SystemExit) as error:
            code = stopped_by(error)
            if code is not None:
                self._say_stopped(code)
                raise SystemExit(code) from error
            self._say_failed(error)
            raise
        finally:
            wait_for_safe_points(False)  # an error inside the loop has left them to be waited for
            self.claim.release()

    @property
    def is_given_more(self) -> bool:
        """Whether it is a finished run that was given more epochs. Its results stay until they are done."""
        return self.run.is_finished and self.run.has_begun and not self.run.has_come_to(length_of(self.cfg))

    @property
    def resume_from(self) -> Path | None:
        """The newest whole state; None at the first start. Raises UserError if there are some, but none is whole."""
        from src.files.checkpoints import newest_whole

        return newest_whole(self.run.last, self.run.previous) if self.run.has_begun else None

    def begin(self) -> tuple[L.LightningDataModule, L.LightningModule, L.Trainer]:
        """The config's data, module and Trainer; the seed is set between them, so that data do not change weights."""
        import lightning as L

        from src.console.quiet import quiet

        quiet(but_profiler=self.cfg.trainer.profiler is not None)
        data = build(self.cfg.data, "data")
        L.seed_everything(self.cfg.seed, workers=True, verbose=False)
        module, trainer = build(self.cfg.module, "module"), self.trainer()
        startup.end()
        return data, module, trainer

    def trainer(self) -> L.Trainer:
        """The Trainer of the config, with its callbacks, which goes on from the run's last state."""
        from src.callbacks.epoch_ends import EpochEnds
        from src.callbacks.made_with import MadeWith
        from src.training.executions import Executions

        callbacks = [build(spec, f"callbacks.{name}") for name, spec in self.cfg.callbacks.items() if spec]
        callbacks.append(MadeWith(self.made_with))
        if self.is_given_more:
            from src.training.more_epochs import NewLength

            callbacks.append(NewLength(self.run, self.cfg))
        if self.cfg.trainer.check_val_every_n_epoch == "auto":
            callbacks.append(EpochEnds())
        trainer = build_trainer(self.cfg, callbacks=callbacks, default_root_dir=self.run.folder)
        if in_sweep() and trainer.world_size > 1:
            run_alone(self.run.folder, trainer.world_size)
        steps = self.cfg.steps_per_execution
        trainer.fit_loop.epoch_loop = Executions(trainer, None if steps == "auto" else steps)
        trainer.ckpt_path = self.resume_from  # as an argument of `fit` the module's `setup` would not see it
        return trainer

    def finish(self, trainer: L.Trainer) -> None:
        """Score the best epoch on val and test, and write results.json: those metrics, and the epoch's of training.

        A run that a search has pruned is not tested.
        """
        from src.callbacks.best import best_of
        from src.callbacks.pruning import is_pruned
        from src.files.checksum import file_digest
        from src.files.history import history_of, read_history
        from src.training.executions import Executions

        # What this process has trained from the beginning is its own; else the best checkpoint may be another's.
        self.run.trust = is_trusted() and trainer.ckpt_path is None
        trainer.ckpt_path = None
        status = "pruned" if is_pruned(trainer) else "finished"
        with calibrating(trainer, self.run.best) if self.cfg.get("calibrate") else nullcontext({}) as calibrated:
            metrics = scored(trainer, self.run.best, tests=status == "finished")
        if not is_first_process():
            return
        tell_time(trainer)
        rows = read_history(history_of(self.run.folder))
        best = best_of(trainer)
        row = next((row for row in rows if row["epoch"] == best.best_epoch), {})  # none if the history was damaged
        metrics = {name: value for name, value in row.items() if name.startswith("train/")} | calibrated | metrics
        self.run.previous.unlink(missing_ok=True)
        seconds = rows[-1]["seconds"] if rows else None
        ended = {"epochs": trainer.current_epoch, "seconds": seconds, "checkpoint": file_digest(self.run.best)}
        ended |= {"monitor": best.monitor, "mode": best.mode, **length_of(self.cfg)}
        ended["steps_per_execution"] = cast(Executions, trainer.fit_loop.epoch_loop).steps or 1
        write_results(self.run.results_file, status=status, **metrics, **ended, **self.made_with)

    def _gather_what_it_is_made_with(self) -> None:
        """Now: the code may change while the run goes on."""
        if not self.run.has_come_to(length_of(self.cfg)):
            self.made_with |= {"command": shlex.join(["python", "-m", *self.command]), "seed": self.cfg.seed}
            self.made_with |= made_with(PROJECT)
            if self.is_given_more:
                before = self.run.results
                stage = {name: before[name] for name in LENGTH}
                self.made_with["went_on_from"] = [*before.get("went_on_from", []), stage]
            self.made_with["uncommitted"] = keep_uncommitted(PROJECT, self.run.folder, self.run.has_begun)

    def _say_stopped(self, code: int) -> None:
        self.claim.remove_if_empty()
        if (self.claim.is_held and self.claim.give_back()) or not self.run.folder.exists():
            print("Stopped before anything was learnt.", file=sys.stderr)
        elif is_first_process():
            log.warning("stopped with exit code %s", code)
            say_stopped(code, self.command)

    def _say_failed(self, error: BaseException) -> None:
        """Note it in the folder, or remove that if nothing is in it; raise it in words where there are better ones."""
        words = in_words(error)
        if not self.claim.is_held:
            self.claim.remove_if_empty()
        elif not self.run.config_file.exists():
            raise UserError(
                f"{self.run} was removed, or moved, while it was trained. It begins again with: "
                f"{command_to_go_on(self.command)} (or goes on, if it was moved, with its new name=)."
            ) from error
        elif not ((words or isinstance(error, BrokenPipeError)) and self.claim.give_back()):
            with suppress(OSError):
                log.exception("failed")
                if not self.run.is_finished:  # else they are the results before it was given more epochs
                    write_results(self.run.results_file, status="failed", error=words or repr(error), **self.made_with)
            if isinstance(error, OSError) and error.errno not in FULL and words:
                go_on = command_to_go_on(self.command)
                raise UserError(f"{words} What was learnt is kept. To go on: {go_on}") from error
