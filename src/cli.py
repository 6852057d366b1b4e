"""The command line: entry points with Hydra's overrides and sweeps, signals, exit codes."""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig

from src.config import CONF, VERSION
from src.errors import explain


def entry_point(task: Callable[[DictConfig], Any]) -> Callable[[], None]:
    """`task(cfg)` as a command with Hydra's overrides and sweeps: exit code 0 only if all was done."""

    @functools.wraps(task)
    def job(cfg: DictConfig) -> Any:
        try:
            return task(cfg)
        except BrokenPipeError:
            raise
        except Exception as error:
            explain(error)  # here, since Hydra would tell of a sweep's first failure only, when all jobs have ended
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                raise Explained from error
            sys.exit(1)

    def main() -> None:
        with command():
            try:
                hydra.main(config_path=str(CONF), config_name="train", **VERSION)(job)()
            except OSError as error:
                if isinstance(error, (HydraException, BrokenPipeError)):  # some of Hydra's are OSErrors
                    raise
                raise ValueError(
                    f"The run's folder {error.filename} cannot be made: {error.strerror}. "
                    "Choose another with name= or hydra.run.dir=."
                ) from error

    return main


class Explained(Exception):
    """An error that the user has been told of."""


@contextmanager
def command() -> Iterator[None]:
    """Inside it an error ends the program: what the user did wrong as a line, the rest with its traceback."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises what it would explain itself
    _asked.clear()
    before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:  # `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except Explained:
        sys.exit(1)
    except Exception as error:
        explain(error)
        sys.exit(1)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _stop(number: int, _: Any) -> None:
    _asked.append(number)
    sys.exit(128 + number)


_asked: list[int] = []


def stop_code() -> int | None:
    """The exit code, 128 + signal, if a signal has told us to stop: whatever error it came out as, that is why."""
    return 128 + _asked[-1] if _asked else None


def stop_if_asked() -> None:
    """Obey a signal whose SystemExit was lost: Python drops those that come while a destructor runs."""
    if _asked:
        sys.exit(stop_code())
