"""results.json: how a run ended, its metrics, and what they were made with."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from src.console.messages import UserError, first_line
from src.files.atomic import write_text


def write_results(path: Path, **results: Any) -> None:
    """Write `results`; a number that is not finite becomes null."""
    finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in results.items()}
    write_text(path, json.dumps(finite, indent=2) + "\n")


def read_results(path: Path) -> dict[str, Any]:
    """What `write_results` has written; empty if there is no such file.

    Raises:
        UserError: it is damaged.
    """
    if not path.exists():
        return {}
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(results, dict):
            raise ValueError("it holds no keys")
        metrics = [value for name, value in results.items() if "/" in name]
        if not all(value is None or isinstance(value, (int, float)) for value in metrics):
            raise ValueError("a metric is no number")
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8
        hint = "Delete it and repeat the run's command: what was learnt is in its checkpoints, and is scored again."
        raise UserError(f"{path} is damaged: {first_line(error)}. {hint}") from error
    return results


def print_metrics(metrics: Mapping[str, str]) -> None:
    """Print one line a metric: its name, and what is said of it."""
    width = max([16, *(len(name) + 2 for name in metrics)])
    for name, said in metrics.items():
        print(f"{name:<{width}}{said}")
