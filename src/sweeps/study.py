"""The trials of a search, in their storage, which the processes of several machines may share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from src.console.messages import UserError
from src.files.study import JOB, JOURNAL, close_storage, exclusive, mend, open_storage
from src.run.config import shortest
from src.sweeps.samplers import Sampler
from src.sweeps.signs import ALIVE, Signs

if TYPE_CHECKING:
    from src.learning.metrics import Mode

RETRIES = "retries"  # attribute of a trial: the number of the failed one that it repeats
ABOUT = "command"  # attribute of the study: what its trials have in common, and what is searched
BEST = 5  # trials, so many are few
SCORED = (TrialState.COMPLETE, TrialState.PRUNED)


class Study:
    """A study of Optuna's, named by the folder of its sweep.

    Args:
        url: of its database; None: a journal in the folder, which is this process' own.
        silence: seconds without a sign of life after which the trial of another process is taken over.
        total: the trials that are wanted.
    """

    def __init__(self, folder: Path, url: str | None, silence: float, total: int) -> None:
        self.folder, self.url, self.signs, self.total = folder, url, Signs(silence), total
        self.storage: Any = None  # until it is open
        self.mine: set[int] = set()  # numbers of the trials that this process runs
        self.to_retry: list[FrozenTrial] = []

    def open(self, about: Mapping[str, str], modes: Callable[[], Sequence[Mode]], retries: bool) -> None:
        """Find the study; if there is none, ask what is better for each goal, and make one.

        Args:
            about: key -> what was typed for it, which is the same whenever the search goes on.
            retries: where no trial is missing, those that have failed are tried again.

        Raises:
            UserError: there is one about something else; its storage cannot be read.
        """
        mend(self.folder)
        is_there = self.url is not None or (self.folder / JOURNAL).exists()
        if not (is_there and self._load()):
            better = {"min": StudyDirection.MINIMIZE, "max": StudyDirection.MAXIMIZE}
            directions = [better[mode] for mode in modes()]
            self.storage = self.storage or open_storage(self.url, self.folder)
            self.study = optuna.create_study(
                storage=self.storage, study_name=self.folder.name, directions=directions, load_if_exists=True
            )
        before = self.study.user_attrs.get(ABOUT)
        if before is None:
            self.study.set_user_attr(ABOUT, dict(about))
        elif before != about:
            keys = [key for key in {**before, **about} if before.get(key) != about.get(key)]
            was = ", ".join(f"{key}={before.get(key)} (now {about.get(key)})" for key in keys[:5])
            raise UserError(
                f"{shortest(self.folder)} holds a search with {was}. Repeat its command to go on, or choose another "
                "name= for a new one."
            )
        trials = self.trials()
        if retries and len(trials) >= self.total and not _in(trials, TrialState.RUNNING):
            self.to_retry = _in(trials, TrialState.FAIL)

    def _load(self) -> bool:
        self.storage = open_storage(self.url, self.folder)
        try:
            self.study = optuna.load_study(study_name=self.folder.name, storage=self.storage)
        except KeyError:
            return False
        return True

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Those that count: of one that was tried again the last try."""
        trials = self.study.get_trials(deepcopy=False)
        retried = {trial.user_attrs.get(RETRIES) for trial in trials}
        return _in([trial for trial in trials if trial.number not in retried], *(states or TrialState))

    @property
    def ended(self) -> int:
        """How many of those that count have ended, and are not tried again."""
        return sum(trial.state.is_finished() for trial in self.trials()) - len(self.to_retry)

    @property
    def others(self) -> list[FrozenTrial]:
        """Those that are begun, and not this process' own."""
        return [trial for trial in self.trials(TrialState.RUNNING) if trial.number not in self.mine]

    @property
    def best(self) -> list[FrozenTrial]:
        """Of one goal the best few, of two those than which none is better in both; the first goal's best first."""
        sign = 1 if self.study.directions[0] == StudyDirection.MINIMIZE else -1
        is_single = len(self.study.directions) == 1
        trials = self.trials(TrialState.COMPLETE) if is_single else self.study.best_trials
        ranked = sorted({t.user_attrs[JOB]: t for t in trials}.values(), key=lambda t: sign * (t.values or [0])[0])
        return ranked[:BEST] if is_single else ranked

    def next(self, sampler: Sampler, name: Callable[[Mapping[str, Any]], str]) -> FrozenTrial | None:
        """A trial to run, from now on this process' own: one that another has left, or failed, or a new one.

        Args:
            name: parameters -> the name of the job's folder.
        """
        with exclusive(self.storage):
            trials = self.trials()
            trial = next(filter(self.signs.is_nobodys, self.others), None)
            if trial is not None and self.url is not None:
                self.storage.set_trial_user_attr(trial._trial_id, ALIVE, time.time())
            if trial is None:
                trial = self._again({t.number for t in trials})
                if trial is None and len(trials) < self.total:
                    trial = sampler.ask(self.study, trials)
                if trial is None:
                    return None
                trial.set_user_attr(JOB, name(trial.params))
                trial = self._created(trial)
            self.mine.add(trial.number)
        return trial

    def tell(self, number: int, state: TrialState, values: Sequence[float] | None = None) -> None:
        """How a trial has ended; COMPLETE has values."""
        with suppress(UpdateFinishedTrialError):  # another process took it for dead
            self.study.tell(number, values, state=state, skip_if_finished=True)
        self.mine.discard(number)

    def tell_like(self, number: int, twin: FrozenTrial) -> None:
        """A trial has the values of another, which has ended: it ends like it."""
        trial = self.study.get_trials(deepcopy=False)[number]
        for step, value in twin.intermediate_values.items():
            self.storage.set_trial_intermediate_value(trial._trial_id, step, value)
        self.tell(number, twin.state, twin.values if twin.state == TrialState.COMPLETE else None)

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Inside it the trials of this process are known to be; afterwards any process may take those that are left."""
        with nullcontext() if self.url is None else self.signs.given(self._sign):
            yield

    def close(self) -> None:
        """Let go of the storage."""
        if self.storage is not None:
            close_storage(self.storage)

    def _sign(self, sign: float | None) -> None:
        with suppress(UpdateFinishedTrialError, SQLAlchemyError, StorageInternalError):  # who needs an answer says so
            for trial in self.trials(TrialState.RUNNING):
                if trial.number in self.mine:
                    self.storage.set_trial_user_attr(trial._trial_id, ALIVE, sign)

    def _again(self, counted: set[int]) -> FrozenTrial | None:
        """The next of the trials that have failed, if no other process has tried it again already."""
        while self.to_retry:
            failed = self.to_retry.pop(0)
            if failed.number in counted:
                return create_trial(
                    state=TrialState.RUNNING,
                    params=failed.params,
                    distributions=failed.distributions,
                    system_attrs=failed.system_attrs,
                    user_attrs={RETRIES: failed.number},
                )
        return None

    def _created(self, trial: FrozenTrial) -> FrozenTrial:
        if self.url is not None:
            trial.set_user_attr(ALIVE, time.time())
        study_id = self.storage.get_study_id_from_name(self.study.study_name)
        return self.storage.get_trial(self.storage.create_new_trial(study_id, trial))


def _in(trials: Sequence[FrozenTrial], *states: TrialState) -> list[FrozenTrial]:
    return [trial for trial in trials if trial.state in states]
