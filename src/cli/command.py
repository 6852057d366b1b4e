"""The command line: entry points with Hydra's overrides and sweeps, and their exit codes."""

from __future__ import annotations

import functools
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra._internal.hydra import Hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig

from src.cli import help
from src.cli.arguments import refuse_flags
from src.cli.errors import FULL_ERROR, ExplainedError, explain, words
from src.config.compose import CONF, HYDRA_1_4, VERSION
from src.config.quoting import MULTIRUN, quoted
from src.console import startup
from src.console.messages import UserError
from src.console.screen import is_sweep_elsewhere, notice
from src.console.signals import stop_code, stoppable
from src.files.atomic import naming
from src.sweeps.job import note_failure
from src.training.interruption import stopped_by

PIPE_CLOSED = 128 + 13  # as SIGPIPE would end it, which Windows does not know


def entry_point(task: Callable[[DictConfig], Any]) -> Callable[[], None]:
    """`task(cfg)` as a command with Hydra's overrides and sweeps: exit code 0 only if all was done."""

    @functools.wraps(task)
    def main() -> None:
        with command():
            if help.is_asked_for():
                help.show()
                return
            try:
                refuse_flags()
                # Hydra takes no overrides on both sides of it.
                sys.argv[1:] = quoted(sorted(sys.argv[1:], key=lambda word: word not in MULTIRUN))
                if not HYDRA_1_4:
                    Hydra.get_mode = _mode
                hydra.main(config_path=str(CONF), config_name="train", **VERSION)(explained(task))()
            except OSError as error:
                if isinstance(error, (HydraException, BrokenPipeError)):  # some of Hydra's are OSErrors
                    raise
                raise UserError(
                    f"The run's folder {error.filename} cannot be made: {error.strerror}. "
                    "Choose another with name= or hydra.run.dir=."
                ) from error

    return main


def explained(task: Callable[[DictConfig], Any]) -> Callable[[DictConfig], Any]:
    """`task(cfg)` as a job of Hydra's: the user is told why it has failed, and so is the sweep, if it is one's."""

    @functools.wraps(task)
    def job(cfg: DictConfig) -> Any:
        try:
            _tell_what_is_of_sweeps()
            return task(cfg)
        except BrokenPipeError:
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                raise
            _leave_stdout()
            sys.exit(PIPE_CLOSED)  # of an error Hydra would say that it was one
        except (Exception, SystemExit) as error:  # a net that calls sys.exit(0) has not done what was asked for
            if stopped_by(error) is not None:
                raise
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                fails_in_sweep(cfg, error)
            explain(error)
            sys.exit(1)

    return job


def _tell_what_is_of_sweeps() -> None:
    """A notice if a run was given what changes nothing in it: a cluster would wait for its jobs in vain."""
    hydra_cfg = HydraConfig.get()
    typed = [word for word in hydra_cfg.overrides.task if re.split(r"[.=]", word)[0] in ("search", "launcher")]
    if typed and hydra_cfg.mode == RunMode.RUN:
        notice(f"{' '.join(typed)} changes nothing without -m: this is one run, here.")


def _mode(self: Hydra, config_name: str | None, overrides: list[str]) -> RunMode | None:
    """hydra.mode. Hydra's own looks for it too, but tells what it cannot compose only when it has tried that twice."""
    options: dict[str, Any] = {"with_log_configuration": False, "validate_sweep_overrides": False}
    return self.compose_config(config_name, overrides, run_mode=RunMode.MULTIRUN, **options).hydra.mode


def fails_in_sweep(cfg: DictConfig, error: BaseException) -> NoReturn:
    """The sweep goes on, and says in a line what its user did wrong; a bug has its traceback here."""
    said = words(error) or repr(error)
    is_new = note_failure(cfg, said)
    if (words(error) is None or FULL_ERROR) and (is_new or not is_sweep_elsewhere()):  # else it is in the job's log
        explain(error)
    raise ExplainedError(said) from error


@contextmanager
def command() -> Iterator[None]:
    """Inside it an error ends the program: what the user did wrong as a line, the rest with its traceback."""
    logging.raiseExceptions = False  # a log that cannot be written is no second error
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises what it would explain itself
    startup.begin()
    with stoppable(ends_process=True):
        try:
            yield
            if sys.stdout is not None:  # closed, as by `>&-`
                with naming(Path("standard output")):
                    sys.stdout.flush()
        except BrokenPipeError:  # `| head`
            _leave_stdout()
            sys.exit(PIPE_CLOSED)
        except Exception as error:
            if isinstance(error, OSError) and error.filename == "standard output":
                _leave_stdout()
            if stop_code() is None and not isinstance(error, ExplainedError):
                explain(error)
            sys.exit(stop_code() or 1)  # a signal may come out as any error
        finally:
            startup.end()


def _leave_stdout() -> None:
    """What was not written cannot be, and Python would try again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
