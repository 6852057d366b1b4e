"""Rounds in which the contestants take turns, and what comes of them."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from src.benchmarking.job import Data
from src.benchmarking.loops import bare, step_parts, tutorial
from src.benchmarking.runs import kindling, lightning
from src.console.messages import UserError

CONTESTANTS = ("bare", "tutorial", "kindling", "lightning")
TURNS = 5  # in a round: the contestants', and the bare loop in parts


def rounds_of(cfg: DictConfig, rounds: int, done: Callable[[], None]) -> dict[str, Any]:
    """Flat results, see src/benchmark.py, of so many rounds, after one of an epoch that warms up.

    Args:
        cfg: with Hydra's own part.
        done: called after each turn.

    Raises:
        UserError: the config is wrong, cannot be compared, or the bare loop ends with other weights than Kindling.
    """
    warm = cfg.copy()
    warm.trainer.max_epochs = min(1, cfg.trainer.max_epochs)
    data, measured = None, []
    for number in range(rounds + 1):
        gc.collect()  # what earlier rounds have left is not to be collected within this one's
        seconds, data = _round(cfg if number else warm, data, done)
        measured.append(seconds)
    return _results(measured[1:])


def _round(cfg: DictConfig, data: Data | None, done: Callable[[], None]) -> tuple[dict[str, Any], Data]:
    """Seconds of every contestant, and of parts."""
    seconds: dict[str, Any] = {}

    def turn(run: Callable[[], Any]) -> Any:
        result = run()
        done()
        return result

    ours = turn(lambda: kindling(cfg, data))
    job = ours.job
    seconds["bare"], weights = turn(lambda: bare(job))
    check_same(weights, ours.weights, exactly=job.device.type == "cpu")
    seconds["tutorial"] = turn(lambda: tutorial(job))
    seconds["lightning"] = turn(lambda: lightning(job, cfg))
    seconds |= {f"parts/{part}": value for part, value in turn(lambda: step_parts(job)).items()}
    seconds |= {"kindling": ours.seconds, "parts/metrics": ours.metrics, "parts/data": ours.fetching}
    sizes = {"epochs": job.epochs, "steps": job.steps, "examples": job.examples, "threads": job.threads}
    device = torch.cuda.get_device_name(job.device) if job.device.type == "cuda" else job.device.type.upper()
    return {**seconds, **sizes, "batch_size": job.batch_size, "device": device}, job.data


def _results(measured: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    first = measured[0]
    epochs, steps, examples = (first[name] for name in ("epochs", "steps", "examples"))

    def per_epoch(name: str) -> list[float]:
        return [seconds[name] / epochs for seconds in measured]

    results: dict[str, Any] = {name: first[name] for name in ("device", "threads", "batch_size", "examples", "epochs")}
    results |= {"rounds": len(measured), "steps_per_epoch": steps}
    bare_seconds = per_epoch("bare")
    for name in (*CONTESTANTS, "data"):
        seconds = per_epoch("parts/data" if name == "data" else name)
        typical = median(seconds)
        ratios = [one / bare for one, bare in zip(seconds, bare_seconds, strict=True)]
        if name == "bare":
            ratios = [one / typical for one in seconds]
        results[f"ratio/{name}"] = median(ratios)
        results |= {f"least/{name}": min(ratios), f"most/{name}": max(ratios)}
        results[f"spread/{name}"] = max(ratios) - min(ratios)
        results[f"seconds_per_epoch/{name}"] = typical
        results[f"step_ms/{name}"] = 1e3 * typical / steps
        results[f"samples_per_second/{name}"] = examples / typical
    for part in ("forward", "backward", "optimizer", "validation", "metrics", "data"):
        results[f"parts_ms/{part}"] = 1e3 * median(per_epoch(f"parts/{part}")) / steps
    known = sum(value for name, value in results.items() if name.startswith("parts_ms/"))
    results["parts_ms/framework"] = results["step_ms/kindling"] - known
    return results


def check_same(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], exactly: bool) -> None:
    """Raise UserError unless the bare loop, `ours`, and Kindling have come to the same weights; else to within 1 %."""
    assert ours.keys() == theirs.keys()
    worst, where = 0.0, ""
    for name, tensor in ours.items():
        one, other = tensor.double().cpu(), theirs[name].double().cpu()
        if one.numel() and not (torch.equal(one, other) or (not exactly and _is_near(one, other))):
            difference = (one - other).abs().max().item()
            worst, where = max((worst, where), (difference, name))
    if where:
        raise UserError(
            f"The bare loop's weights are not Kindling's: {where} differs by up to {worst:.3g}. So they have not done "
            "the same, and their times say nothing. Does the net, or the loss, draw random numbers of its own?"
        )


def _is_near(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() <= 0.01 * other.abs().max())
