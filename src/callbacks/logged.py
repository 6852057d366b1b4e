"""What a module's own `self.log` has counted in an epoch: a run that goes on inside it would begin its means anew.

SupervisedModule needs none of this: its metrics are its own.
"""

from __future__ import annotations

from typing import Any

import lightning as L

COUNTED = ("value", "cumulated_batch_size")  # of what Lightning keeps for each name; the second for means


def logged_so_far(trainer: L.Trainer) -> dict[str, dict[str, Any]]:
    """By Lightning's key, as plain data for a checkpoint; metrics of torchmetrics belong to the module's own state."""
    results = trainer.fit_loop.epoch_loop._results
    numbers = {key: result for key, result in results.items() if result.is_tensor and result.meta.on_epoch}
    return {key: {name: getattr(r, name) for name in COUNTED if hasattr(r, name)} for key, r in numbers.items()}


def log_on_from(trainer: L.Trainer, logged: dict[str, dict[str, Any]]) -> None:
    """Let what is logged next be added to `logged`: Lightning makes room for a name when it is first logged."""
    results: Any = trainer.fit_loop.epoch_loop._results
    update = results.update_metrics

    def update_metrics(key: str, value: Any, batch_size: int) -> None:
        for name, counted in logged.pop(key, {}).items():
            setattr(results[key], name, counted.to(value.device))
        update(key, value, batch_size)

    results.update_metrics = update_metrics
