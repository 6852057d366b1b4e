"""plots/learning_curve.png: how the scores changed from epoch to epoch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import lightning as L
from lightning.pytorch.callbacks import Callback
from matplotlib.figure import Figure

from src.callbacks.checkpoints import BestCheckpoint
from src.callbacks.history import best_row, read_history
from src.plots.picture import DPI, plots

if TYPE_CHECKING:
    from src.module import SupervisedModule


class LearningCurve(Callback):
    """The loss, and the task's first metric, of train and val; the best epoch is marked."""

    def on_fit_end(self, trainer: L.Trainer, pl_module: SupervisedModule) -> None:
        if not trainer.is_global_zero:
            return
        rows = read_history(Path(trainer.default_root_dir) / "logs" / "metrics.csv")
        if not rows:
            return
        figure = Figure(figsize=(10, 4), layout="constrained")
        figure.suptitle(f"Learning curve: {len(rows)} epochs, {rows[-1]['seconds']:.1f} s")
        saved = next(c for c in trainer.checkpoint_callbacks if isinstance(c, BestCheckpoint))
        best = best_row(rows, saved.monitor, saved.mode) if saved.monitor else {}
        metrics = [name.partition("/")[2] for name in pl_module.val_scores.names[:2]]
        for axes, metric in zip(figure.subplots(1, 2), metrics, strict=True):
            for split in ("train", "val"):
                points = [(r["epoch"], r[f"{split}/{metric}"]) for r in rows if f"{split}/{metric}" in r]
                if points:
                    axes.plot(*zip(*points, strict=True), label=split, marker="o" if len(points) < 3 else None)
            if best:
                axes.axvline(best["epoch"], color="grey", linestyle=":", label=f"best {saved.monitor}")
            axes.set(xlabel="epoch", ylabel=metric, title=metric)
            axes.grid(alpha=0.3)
            axes.legend()
        figure.savefig(plots(trainer) / "learning_curve.png", dpi=DPI)
