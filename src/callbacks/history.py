"""logs/metrics.csv: a row for each epoch that is measured."""

from __future__ import annotations

import csv
import shutil
import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.trainer.states import TrainerFn

from src.callbacks.epoch_ends import has_end
from src.console.screen import notice
from src.files.atomic import naming, written_whole
from src.files.history import BESIDE_METRICS, Row, history_of, read_history, readable
from src.module import SupervisedModule


class History(Checkpoint):
    """Epoch, step, seconds of training, learning rate and every metric, also over the breaks of a resumed run.

    A Checkpoint, since Lightning calls those when an epoch's metrics are known.
    """

    def __init__(self) -> None:
        self.is_validated = False  # in this epoch

    def state_dict(self) -> dict[str, Any]:
        return {"is_validated": self.is_validated}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.is_validated = state_dict["is_validated"]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the rows up to the epoch to go on from; a killed run may have written more."""
        if not trainer.is_global_zero:
            return
        self.path = history_of(trainer.default_root_dir)
        self.path.parent.mkdir(exist_ok=True)
        self.columns = list(BESIDE_METRICS)
        if isinstance(pl_module, SupervisedModule):
            self.columns += [*pl_module.train_metrics.names, *pl_module.val_metrics.names]
        rows = [row for row in self._whole_rows() if row["epoch"] < trainer.current_epoch]
        self._write_all(rows)
        self.started = time.monotonic() - (rows[-1]["seconds"] if rows else 0.0)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.is_validated = False

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.is_validated = trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.is_global_zero or not has_end(pl_module):
            return
        row = {
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            "seconds": round(time.monotonic() - self.started, 3),
        }
        for group in trainer.optimizers[0].param_groups[:1]:  # a module of the user's own may do without
            row["lr"] = group["lr"]
        measured = {name: value.item() for name, value in trainer.callback_metrics.items() if value.numel() == 1}
        row |= {name: value for name, value in measured.items() if self.is_validated or not name.startswith("val")}
        if not row.keys() <= set(self.columns):  # a module of the user's own does not say before what it logs
            self._write_all([*read_history(self.path), row])
        else:
            with naming(self.path), self.path.open("a", newline="") as file:
                csv.DictWriter(file, self.columns, restval="").writerow(row)

    def _whole_rows(self) -> list[Row]:
        """The rows that can be read; a damaged file is kept under another name, since it is written anew."""
        rows, damaged = readable(self.path)
        if damaged:
            aside = self.path.with_name("metrics.damaged.csv")
            shutil.copyfile(self.path, aside)
            notice(
                f"{self.path} is damaged: {damaged} of its lines cannot be read, and are left out. It is kept as "
                f"{aside.name}; the run goes on, with all that it has learnt."
            )
        return rows

    def _write_all(self, rows: list[Row]) -> None:
        names = [*self.columns, *(name for row in rows for name in row)]
        self.columns = list(dict.fromkeys(names))
        with written_whole(self.path) as partial, partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
