"""The study of a search: where Optuna keeps its trials, and who may write into it. Import it where one is asked for."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy import make_url, text
from sqlalchemy.exc import ArgumentError, IntegrityError, ProgrammingError, SQLAlchemyError

from src.console.messages import UserError, first_line, listed, nearest
from src.files.lock import lock

PRUNERS = {
    "median": MedianPruner,
    "halving": SuccessiveHalvingPruner,
    "hyperband": HyperbandPruner,
    "none": NopPruner,
}
JOURNAL = "study.journal"
TRIES = 5  # to make its tables
JOB = "job"  # a trial's attribute: the name of its run's folder


class _Lock(JournalFileOpenLock):
    """One that ends with the process that holds it. Optuna's own stays for half a minute after a kill."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path

    def acquire(self) -> bool:
        self.held = self.path.open("a")
        lock(self.held, waits=True)
        return True

    def release(self) -> None:
        self.held.close()


def open_storage(url: str | None, folder: Path) -> BaseStorage:
    """The database at a URL; None: the journal in the folder of a sweep.

    Raises:
        UserError: it cannot be reached, or read.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url is not None:
        with answering(url):
            return _database(url)
    journal = folder / JOURNAL
    try:
        return JournalStorage(JournalFileBackend(str(journal), _Lock(folder / ".study.lock")))
    except (ValueError, KeyError) as error:
        raise UserError(
            f"{journal} is damaged: {first_line(error)}. Remove it, and repeat the command: the runs that are done are "
            "not run again."
        ) from error


def _database(url: str) -> RDBStorage:
    """Its tables are made where there are none, perhaps by several processes at once: one of them comes first."""
    for _ in range(TRIES):
        with suppress(IntegrityError, ProgrammingError):
            return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
        time.sleep(1)
    return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})


def close_storage(storage: BaseStorage) -> None:
    """Let go of the connections to a database."""
    if isinstance(storage, RDBStorage):
        storage.remove_session()
        storage.engine.dispose()


def mend(folder: Path) -> None:
    """Cut the last line off the journal in a sweep's folder if it is not whole, as after a power cut."""
    journal = folder / JOURNAL
    if journal.exists():
        content = journal.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with journal.open("r+b") as file:
                file.truncate(whole)


@contextmanager
def answering(url: str | None) -> Iterator[None]:
    """Inside it a database that does not answer is the user's to mend; its URL is told without the password."""
    try:
        yield
    except ArgumentError as error:
        raise UserError(f"search.storage: this is no URL of a database, such as sqlite:///study.db: {url}") from error
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError, ImportError) as error:
        cause = first_line(getattr(error.__cause__, "orig", None) or getattr(error, "orig", None) or error)
        place = make_url(url).render_as_string() if url else "study"
        raise UserError(f"search.storage={place}: {cause}. Once it answers, the same command goes on.") from error


@contextmanager
def exclusive(storage: BaseStorage) -> Iterator[None]:
    """Inside it no other process asks for a trial. A process that is killed lets go of it."""
    if not isinstance(storage, RDBStorage):  # the sweep's folder is one process' own
        yield
    elif storage.engine.dialect.name == "sqlite":  # has no locks on rows
        with Path(f"{storage.engine.url.database}.lock").open("a") as file:
            lock(file, waits=True)
            yield
    else:
        with storage.engine.begin() as connection:
            connection.execute(text("SELECT version_info_id FROM version_info FOR UPDATE"))
            yield


def build_named(
    key: str, name: str | None, classes: Mapping[str, type], options: Mapping[str, Any], **known: Any
) -> Any:
    """An object of one of Optuna's classes, by the name that the user types for it.

    Args:
        key: such as search.pruner; its options are those of search.pruner_options.
        known: parameters that are given where the class takes them.

    Raises:
        UserError: there is no such name, parameter or value.
    """
    name = "none" if name is None else name
    if name not in classes:
        raise UserError(f"{key}={name}: there are {listed(list(classes))}.{nearest(str(name), classes)}")
    takes = inspect.signature(classes[name]).parameters
    try:
        return classes[name](**{**{k: v for k, v in known.items() if k in takes}, **options})
    except (TypeError, ValueError) as error:
        raise UserError(f"{key}_options={dict(options)}: {error}") from error
