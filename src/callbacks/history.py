"""logs/metrics.csv: one row an epoch."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import TYPE_CHECKING

import lightning as L
from lightning.pytorch.callbacks import Checkpoint

if TYPE_CHECKING:
    from src.module import SupervisedModule


class History(Checkpoint):
    """Epoch, step, seconds of training, learning rate and every score, also over the breaks of a resumed run.

    A Checkpoint, since Lightning calls those when an epoch's scores are known.
    """

    def on_train_start(self, trainer: L.Trainer, pl_module: SupervisedModule) -> None:
        """Keep the rows up to the epoch to go on from; a killed run may have written more."""
        if not trainer.is_global_zero:
            return
        self.path = Path(trainer.default_root_dir) / "logs" / "metrics.csv"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        rows = [r for r in read_history(self.path) if r["epoch"] < trainer.current_epoch]
        scores = [*pl_module.train_scores.names, *pl_module.val_scores.names]
        self.columns = ["epoch", "step", "seconds", "lr", *scores]
        with self.path.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
        self.started = time.monotonic() - (rows[-1]["seconds"] if rows else 0.0)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: SupervisedModule) -> None:
        if not trainer.is_global_zero:
            return
        row = {
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            "seconds": round(time.monotonic() - self.started, 3),
            "lr": trainer.optimizers[0].param_groups[0]["lr"],
        }
        measured = [*pl_module.train_scores.names, *(pl_module.val_scores.names if pl_module.is_validated else ())]
        row |= {k: v.item() for k, v in trainer.callback_metrics.items() if k in measured}
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self.columns, restval="").writerow(row)


def read_history(path: Path) -> list[dict[str, float]]:
    """The rows of a metrics.csv; a cell that was not measured is left out."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = [{k: v for k, v in row.items() if v} for row in csv.DictReader(file)]
    return [{k: int(v) if k in ("epoch", "step") else float(v) for k, v in row.items()} for row in rows]


def best_row(rows: list[dict[str, float]], monitor: str | None, mode: str) -> dict[str, float]:
    """The row with the best `monitor`, or the last row if that is None; empty if none has it."""
    if monitor is None:
        return rows[-1] if rows else {}
    choose = min if mode == "min" else max
    return choose((r for r in rows if monitor in r), key=lambda r: r[monitor], default={})
