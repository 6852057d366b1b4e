"""What a search may choose: from overrides such as optimizer.lr=interval(0,1) to Optuna's distributions, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from omegaconf import DictConfig
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from src.config.check import check
from src.config.quoting import as_typed
from src.console.messages import UserError
from src.run.config import is_of_the_sweep

Space = dict[str, BaseDistribution]
DIGITS = 6  # of a number between two others: names stay short
OF_INTERVAL = {"low", "high", "log"}  # what a YAML says of one


def overrides_of(space: Any) -> list[str]:
    """`search.space` of a YAML as overrides. Raises UserError for what is none of a list, an interval and a text."""
    if not isinstance(space, Mapping):
        raise UserError(f"search.space={space}: keys are needed, each with what to search for it.")
    return [f"{key}={_text(key, value)}" for key, value in space.items()]


def space_of(overrides: Sequence[Override]) -> Space:
    """What each of the overrides with more than one value may choose from, in the order of the keys.

    Raises:
        UserError: one that leaves no choice, or a key that is no job's.
    """
    space = {o.get_key_element(): _distribution(o) for o in overrides if o.is_sweep_override()}
    for key in space:
        if is_of_the_sweep(key.lstrip("+")):
            raise UserError(f"{key}: it is the search's own, and has one value.")
    if not space:
        raise UserError(
            "There is nothing to search: give a key a list or an interval, such as 'optimizer.lr=interval(1e-4,1e-1)'."
        )
    return dict(sorted(space.items()))


def rounded(value: Any, distribution: BaseDistribution) -> Any:
    """A number of an interval to a few digits, that of a range without what binary fractions add to it."""
    if not isinstance(distribution, FloatDistribution):
        return value
    low, high = distribution.low, distribution.high
    if distribution.log:
        value = float(f"{value:.{DIGITS}g}")
    elif distribution.step is None and low < high:
        value = round(value, DIGITS - math.ceil(math.log10(high - low)))
    else:
        value = float(f"{value:.12g}")
    return min(max(value, low), high)


def example(distribution: BaseDistribution) -> Any:
    """One of its values; of an interval one with a fraction."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0]
    if isinstance(distribution, FloatDistribution) and distribution.step is None:
        return rounded(distribution.low + (distribution.high - distribution.low) / math.e, distribution)
    return cast(Any, distribution).low


def check_whole(cfg: DictConfig, space: Space) -> None:
    """Raise UserError if `cfg`, with an `example` of each, shows that a key takes no fractions, as its interval has."""
    try:
        check(cfg)
    except UserError as error:  # any other is a bad trial's
        for key, distribution in space.items():
            if str(error).startswith(f"{key}=") and "whole number" in str(error):
                whole = as_override(distribution).replace("interval", "int(interval")
                raise UserError(f"{error} For those: {key}={whole}).") from error


def values_to_try(key: str, distribution: BaseDistribution) -> list[Any]:
    """All of them. Raises UserError for an interval, which has no end of them."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return list(range(distribution.low, distribution.high + 1, distribution.step))
    assert isinstance(distribution, FloatDistribution)
    if distribution.step is None:
        raise UserError(
            f"search.sampler=grid: {key} is an interval, which no grid can fill. Give it a list or 'range(0,1,0.1)', "
            "or use search.sampler=tpe."
        )
    count = round((distribution.high - distribution.low) / distribution.step)
    return [rounded(distribution.low + i * distribution.step, distribution) for i in range(count + 1)]


def as_override(distribution: BaseDistribution) -> str:
    """As it is typed."""
    if isinstance(distribution, CategoricalDistribution):
        return ",".join(map(str, distribution.choices))
    number = cast(Any, distribution)
    if number.step is None:
        words = f"interval({number.low:g},{number.high:g})"
    else:
        words = f"range({number.low:g},{number.high + number.step:g}{'' if number.step == 1 else f',{number.step:g}'})"
    return f"tag(log,{words})" if number.log else words


def _text(key: str, value: Any) -> str:
    """What is typed for a value of a YAML."""
    if isinstance(value, Mapping):
        if not {"low", "high"} <= set(value) <= OF_INTERVAL:
            raise UserError(f"search.space: {key}: low and high are needed, and perhaps log, not {', '.join(value)}.")
        interval = f"interval({value['low']},{value['high']})"
        whole = all(isinstance(value[name], int) for name in ("low", "high"))
        interval = f"int({interval})" if whole else interval
        return f"tag(log,{interval})" if value.get("log") else interval
    if isinstance(value, Sequence) and not isinstance(value, str):
        elements = ",".join(map(as_typed, value))
        return elements if len(value) > 1 else f"choice({elements})"
    return str(value)


def _distribution(override: Override) -> BaseDistribution:
    value: Any = override.value()
    line, tags = override.input_line, getattr(value, "tags", set())
    if tags - {"log"}:
        raise UserError(f"{line}: the only tag is log, as in tag(log, interval(1e-4, 1e-1)).")
    if isinstance(value, IntervalSweep):
        return _interval(str(line), value, "log" in tags)
    if isinstance(value, RangeSweep):
        return _range(str(line), value, "log" in tags)
    if hasattr(value, "shuffle"):
        value.shuffle = False  # the same command must give the same space
    choices = list(dict.fromkeys(override.sweep_string_iterator()))
    if not choices or tags:
        raise UserError(f"{line}: {'a list has no log' if choices else 'nothing is left to choose'}.")
    return CategoricalDistribution(choices)


def _interval(line: str, interval: IntervalSweep, log: bool) -> BaseDistribution:
    low, high = cast(Any, interval.start), cast(Any, interval.end)
    if not low < high:
        raise UserError(f"{line}: the lower end comes first, and is less than the upper one.")
    if log and low <= 0:
        raise UserError(f"{line}: a logarithmic scale begins above 0.")
    kind = IntDistribution if isinstance(low, int) and isinstance(high, int) else FloatDistribution
    return kind(low, high, log=log)


def _range(line: str, sweep: RangeSweep, log: bool) -> BaseDistribution:
    sweep.shuffle = False
    values = sorted(sweep.range())
    if not values:
        raise UserError(f"{line}: nothing is left to choose.")
    step = abs(sweep.step)
    if log and (step != 1 or values[0] <= 0):
        raise UserError(f"{line}: a logarithmic range begins above 0, and has no steps but 1.")
    if all(isinstance(value, int) for value in values):
        return IntDistribution(int(values[0]), int(values[-1]), step=int(step), log=log)
    first = float(values[0])
    return FloatDistribution(first, float(f"{first + (len(values) - 1) * step:.12g}"), step=float(step))
