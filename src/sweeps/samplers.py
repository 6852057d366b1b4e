"""How the values of a trial are chosen, by a seed and the trials before it alone: a search that was killed goes on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import optuna
from omegaconf import DictConfig
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, GridSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from src.console.extras import need
from src.console.messages import UserError
from src.files.study import build_named
from src.sweeps.space import Space, rounded, values_to_try

SAMPLERS = {
    "tpe": TPESampler,
    "random": RandomSampler,
    "grid": GridSampler,
    "cmaes": CmaEsSampler,
    "nsgaii": NSGAIISampler,
}


class Sampler:
    """Asks for trials of a space.

    Raises:
        UserError: a sampler that is not there, or cannot search this space for so many goals.
    """

    def __init__(self, cfg: DictConfig, space: Space, goals: int) -> None:
        self.name, self.options, self.seed = cfg.sampler, dict(cfg.sampler_options), cfg.seed
        self.space, self.grid = space, {}
        if cfg.sampler == "grid":
            self.grid = {key: values_to_try(key, distribution) for key, distribution in space.items()}
        if cfg.sampler == "cmaes":
            need("search.sampler=cmaes", "cmaes", "sweep")
            for key, distribution in space.items():
                if isinstance(distribution, CategoricalDistribution):
                    raise UserError(
                        f"search.sampler=cmaes searches numbers alone, and {key} is a list. Give it one value, an "
                        "interval or a range, or use search.sampler=tpe."
                    )
            if goals > 1:
                raise UserError("search.sampler=cmaes has one goal. For two use search.sampler=nsgaii, or tpe.")
        self.built(0)

    def built(self, number: int) -> BaseSampler:
        """Optuna's, for a trial of this number."""
        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        seed = self.seed if self.grid else seed  # by which it orders the grid
        known = {"seed": seed, "search_space": self.grid}
        return build_named("search.sampler", self.name, SAMPLERS, self.options, **known)

    @property
    def most(self) -> int | None:
        """How many different trials there are, where it knows."""
        return int(np.prod([len(values) for values in self.grid.values()])) if self.grid else None

    def ask(self, study: optuna.Study, trials: Sequence[FrozenTrial], **attributes: object) -> FrozenTrial:
        """The trial that follows these, which is not yet in the study. It is asked for in a copy, in memory: what is
        written of it is whole, whenever the process is killed.
        """
        copied = optuna.create_study(
            study_name=study.study_name, directions=study.directions, sampler=self.built(len(trials))
        )
        copied.add_trials(trials)
        copied.ask(self.space)
        asked = copied.get_trials(deepcopy=False)[-1]
        params = {key: rounded(value, self.space[key]) for key, value in asked.params.items()}
        return create_trial(
            state=TrialState.RUNNING,
            params=params,
            distributions=self.space,
            system_attrs=asked.system_attrs,
        )
