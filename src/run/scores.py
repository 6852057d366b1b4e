"""What the metrics of runs say: which is better, and which one tells most."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

REPEATS = ("seed", "data.fold")  # runs that differ in these alone are the same experiment: the mean is taken
SMALLER_IS_BETTER = re.compile(r"(loss|error|mae|mse|rmse|mape|perplexity|distance|deviance|\ber)$", re.IGNORECASE)


def is_larger_better(metric: str, said: Iterable[Mapping[str, Any]]) -> bool:
    """As a run whose monitor it is says, in its results or its config; else by the name: nobody has said it."""
    for mode in (of.get("mode") for of in said if of.get("monitor") == metric):
        if mode in ("min", "max"):
            return mode == "max"
    return not SMALLER_IS_BETTER.search(metric)


def telling_metric(names: Iterable[str]) -> str | None:
    """Of the metrics of a run the task's first one of the test; the loss if that has no other, None if it has none."""
    of_test = [name for name in names if name.startswith("test/")]
    return next((name for name in of_test if name != "test/loss"), next(iter(of_test), None))
