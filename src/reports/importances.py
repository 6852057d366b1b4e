"""Which settings matter: how much of the order of the runs by their score each of them explains."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from src.reports.compare import Comparison, varies
from src.reports.records import Record, text

PACKAGES = ("optuna", "sklearn")
FEWEST = 4  # runs for each setting


@functools.cache  # both the terminal and the page show them
def importances(comparison: Comparison) -> dict[str, float]:
    """Each setting with its share, the largest first; together 1. Empty if there is nothing to tell, or no Optuna.

    The shares are Optuna's mean decrease of impurity: how much of the variance between finished runs a forest of
    decision trees removes where it splits them by that setting. Of a full grid these are nearly the shares of an
    analysis of variance, while PED-ANOVA, which asks what the best tenth of the runs have in common, takes chance for
    an effect there. The trees see the rank of a score, lest one run that has diverged decides alone. Seeds are settings
    like others: what matters less than the seed does not matter.
    """
    runs, keys = _compared(comparison)
    scores = [record.metrics[comparison.score] for record in runs]
    is_telling = len(keys) > 1 and len(runs) >= FEWEST * len(keys) and len(set(scores)) > 1
    if not (is_telling and all(map(find_spec, PACKAGES))):
        return {}
    import optuna
    from optuna.importance import MeanDecreaseImpurityImportanceEvaluator, get_param_importances

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rank = {score: float(number) for number, score in enumerate(sorted(set(scores)))}
    columns, kinds = {}, {}
    for key in keys:
        columns[key], kinds[key] = _column([record.settings.get(key) for record in runs])
    study = optuna.create_study()
    for number, score in enumerate(scores):
        values = {key: columns[key][number] for key in keys}
        study.add_trial(optuna.create_trial(params=values, distributions=kinds, value=rank[score]))
    return get_param_importances(study, evaluator=MeanDecreaseImpurityImportanceEvaluator(seed=0))


def why_none(comparison: Comparison) -> str | None:
    """A sentence where it would be chance; None where there are runs enough, or no two settings to compare."""
    runs, keys = _compared(comparison)
    if len(keys) < 2 or len(runs) >= FEWEST * len(keys):
        return None
    return (
        f"{len(runs)} finished runs are too few to tell which of {len(keys)} settings matter: {FEWEST} each are needed."
    )


def _compared(comparison: Comparison) -> tuple[list[Record], list[str]]:
    """The finished runs with a score, and in what they differ."""
    runs = [r for r in comparison.records if r.status == "finished" and comparison.score in r.metrics]
    return runs, [key for key in comparison.differing if varies(runs, key)] if runs else []


def _column(values: Sequence[Any]) -> tuple[list[Any], Any]:
    """The values of a setting as numbers, if all are, else as names; one that a run does not have is in the middle."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    there = sorted(value for value in values if _is_number(value))
    if len(set(there)) > 1 and all(value is None or _is_number(value) for value in values):
        return [there[len(there) // 2] if v is None else v for v in values], FloatDistribution(there[0], there[-1])
    names = list(map(text, values))
    return names, CategoricalDistribution(sorted(set(names)))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
