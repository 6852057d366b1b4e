"""Processes for jobs: started fast, each with a log of its own, and ended with this one, whatever ends it."""

from __future__ import annotations

import faulthandler
import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing import connection
from pathlib import Path
from typing import Any

from src.config.compose import PROJECT
from src.console.screen import screen_of_sweep
from src.console.signals import STOPPING, stoppable

FORKS = "forkserver" in multiprocessing.get_all_start_methods()  # not on Windows
CONTEXT: Any = multiprocessing.get_context("forkserver" if FORKS else "spawn")
GRACE = 3.0  # seconds in which what a job has started may end by itself


def start_server(modules: Sequence[str]) -> None:
    """Start the process whose copies all others are, with these modules imported; no signal ends it.

    It ends once they and this process have.
    """
    if not FORKS:
        return
    from multiprocessing import forkserver, resource_tracker

    CONTEXT.set_forkserver_preload(list(modules))
    mask, environment = signal.pthread_sigmask(signal.SIG_BLOCK, []), dict(os.environ)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])])
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # else NumPy starts threads, which no copy has
    try:
        resource_tracker.ensure_running()  # which sets the mask too
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.environ.clear()
        os.environ.update(environment)


def asked(question: Callable[[], Any]) -> Any:
    """What `question()` says in another process: this one does not import what it needs."""
    here, there = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_answer, args=(question, there))
    process.start()
    there.close()
    with here:
        answer = here.recv()
    process.join()
    return answer


class JobProcess:
    """A process for `work()`, with a session of its own, so that a terminal's signals are left to this process.

    Args:
        work: can be pickled, as what it returns.
        log: a file in a folder of the job's own, where all that is said goes.
        environment: what differs from this process'.
    """

    def __init__(self, work: Callable[[], Any], log: Path, environment: Mapping[str, str]) -> None:
        self.log, here = log, ({**os.environ, **environment}, Path.cwd())
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
        self.answer, there = CONTEXT.Pipe(duplex=False)
        self.process = CONTEXT.Process(target=_run, args=(work, there, log, *here))
        self.process.start()
        there.close()

    def stop(self) -> None:
        """Ask it to stop at its next safe point."""
        if FORKS and self.process.is_alive():  # on Windows the terminal has asked it
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGTERM)

    def end(self) -> Any:
        """Wait for its end, and end what it has left; returns what `work` has: None if all is well.

        Raises:
            ChildProcessError: it has ended before that, and by what.
        """
        self.process.join()
        try:
            if not self.answer.poll():  # perhaps others hold the pipe open
                raise EOFError
            answer = self.answer.recv()
        except EOFError:
            raise ChildProcessError(_how(self.process.exitcode)) from None
        else:
            if answer is not None:
                self._wait_for_others()
            return answer
        finally:
            self._clear()

    def kill(self) -> None:
        """End it at once, and all that it has started."""
        self.process.kill()
        self.process.join()
        self._clear()

    def _wait_for_others(self) -> None:
        """Processes that have trained with it may have something to say."""
        latest = time.monotonic() + GRACE
        with suppress(OSError):  # there are none
            while FORKS and time.monotonic() < latest:
                os.killpg(self.process.pid, 0)
                time.sleep(0.02)

    def _clear(self) -> None:
        """Of what it has started nothing is left, nor an empty log."""
        self.answer.close()
        with suppress(OSError):
            if FORKS:
                os.killpg(self.process.pid, signal.SIGKILL)
        with suppress(OSError):
            if self.log.stat().st_size == 0:
                self.log.unlink()
                self.log.parent.rmdir()  # where it is empty


def first_ended(processes: Sequence[JobProcess]) -> JobProcess:
    """Wait until one of them has ended."""
    [sentinel, *_] = connection.wait([job.process.sentinel for job in processes])
    return next(job for job in processes if job.process.sentinel == sentinel)


def stop(processes: Sequence[JobProcess]) -> None:
    """Let all stop where they can go on later, and wait for that; another signal to this process ends them at once."""
    try:
        for job in processes:
            job.stop()
        for job in processes:
            job.process.join()
    finally:
        for job in processes:
            job.kill()


def _answer(question: Callable[[], Any], there: connection.Connection) -> None:
    there.send(question())


def _run(
    work: Callable[[], Any], answer: connection.Connection, log: Path, environment: dict[str, str], folder: Path
) -> None:
    if FORKS:
        os.setsid()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)  # multiprocessing knows the one in which the program began
    sys.stdout = sys.stderr = log.open("a", buffering=1)
    for number in (1, 2):
        os.dup2(sys.stderr.fileno(), number)
    faulthandler.enable()
    gc.freeze()  # what the server has imported stays: see src/console/startup.py
    with stoppable(ends_process=True), screen_of_sweep(elsewhere=True):
        if FORKS:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        answer.send(work())


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    if FORKS:
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _how(code: int) -> str:
    if code >= 0:
        return f"its process has ended, with exit code {code}, before the run had"
    name = signal.Signals(-code).name
    return f"its process was ended by {name}" + (", as where memory is short" if name == "SIGKILL" else "")
