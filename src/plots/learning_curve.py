"""plots/learning_curve.png: how the metrics changed from epoch to epoch."""

from __future__ import annotations

import lightning as L
from lightning.pytorch.callbacks import Callback
from matplotlib.figure import Figure

from src.callbacks.best import best_of
from src.files.history import BESIDE_METRICS, Row, history_of, read_history
from src.module import SupervisedModule
from src.plots.picture import plots, save


class LearningCurve(Callback):
    """The loss, and the task's first metric, of train and val; the best epoch is marked."""

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        rows = read_history(history_of(trainer.default_root_dir)) if trainer.is_global_zero else []
        if not rows:
            return
        figure = Figure(figsize=(10, 4), layout="constrained")
        figure.suptitle(f"Learning curve: {rows[-1]['epoch'] + 1} epochs, {rows[-1]['seconds']:.1f} s")
        best = best_of(trainer)
        metrics = _shown(rows, pl_module)
        for axes, metric in zip(figure.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True):
            for name in (metric, f"train/{metric}", f"val/{metric}"):
                points = [(row["epoch"], row[name]) for row in rows if name in row]
                if points:
                    label = name.removesuffix(f"/{metric}")
                    axes.plot(*zip(*points, strict=True), label=label, marker="o" if len(points) < 3 else None)
            if best.monitor and best.best_epoch is not None:
                axes.axvline(best.best_epoch, color="grey", linestyle=":", label=f"best {best.monitor}")
            axes.set(xlabel="epoch", ylabel=metric, title=metric)
            axes.grid(alpha=0.3)
            axes.legend()
        save(figure, plots(trainer) / "learning_curve.png")


def _shown(rows: list[Row], module: L.LightningModule) -> list[str]:
    """Two metrics, without their split: the task's first, or else those that a module of the user's own has logged."""
    logged = [name for row in rows for name in row if name not in BESIDE_METRICS]
    names = module.measured if isinstance(module, SupervisedModule) else logged
    short = [name.partition("/")[2] if name.startswith(("train/", "val/")) else name for name in names]
    return list(dict.fromkeys(short))[:2] or ["lr"]
