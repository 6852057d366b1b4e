"""A trial of a search while its run is trained: its scores, and what the study's pruner thinks of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from src.files.study import JOB, JOURNAL, close_storage, open_storage


class RunningTrial:
    """A trial whose run is being trained, perhaps in another process than the one that has asked for it.

    What a pruner keeps of it is made anew from its scores: a run that was killed and goes on is judged like another.
    """

    def __init__(self, study: optuna.Study, storage: BaseStorage, trial: FrozenTrial) -> None:
        self.study, self.storage, self.trial = study, storage, trial
        self.others: list[Any] | None = None

    @classmethod
    def of(cls, folder: Path, url: str | None) -> RunningTrial | None:
        """That of the run in a folder; None if it is not of a search."""
        if url is None and not (folder.parent / JOURNAL).exists():
            return None
        storage = open_storage(url, folder.parent)
        try:
            study = optuna.load_study(study_name=folder.parent.name, storage=storage)
        except KeyError:
            close_storage(storage)
            return None
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        trial = next((trial for trial in running if trial.user_attrs.get(JOB) == folder.name), None)
        if trial is None:
            close_storage(storage)
            return None
        return cls(study, storage, trial)

    def is_worse(self, scores: Mapping[int, float], pruner: optuna.pruners.BasePruner) -> bool:
        """Report the last of its scores, epoch -> score; returns whether the pruner would end it there."""
        step = max(scores)
        self.storage.set_trial_intermediate_value(self.trial._trial_id, step, scores[step])
        trials = self.study.get_trials(deepcopy=False)
        others = [(t.number, t.state, t.last_step) for t in trials if t.number != self.trial.number]
        is_known = others == self.others
        if not is_known:
            self.others = others
            self._copy(trials)
        worse = False
        for reported in [step] if is_known else sorted(scores):
            self.memory.set_trial_intermediate_value(self.id, reported, scores[reported])
            worse = pruner.prune(self.copied, self.memory.get_trial(self.id))
        for key, value in self.memory.get_trial(self.id).system_attrs.items():
            self.storage.set_trial_system_attr(self.trial._trial_id, key, value)  # such as what others compare with
        return worse

    def close(self) -> None:
        """Nothing more is reported."""
        close_storage(self.storage)

    def _copy(self, trials: list[FrozenTrial]) -> None:
        """The study in memory, with nothing reported by this trial."""
        self.memory = InMemoryStorage()
        self.copied = optuna.create_study(
            storage=self.memory, study_name=self.study.study_name, direction=self.study.direction
        )
        for trial in trials:
            is_own = trial.number == self.trial.number
            self.copied.add_trial(optuna.create_trial(state=TrialState.RUNNING) if is_own else trial)
        self.id = self.copied.trials[self.trial.number]._trial_id
