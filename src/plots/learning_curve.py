"""plots/learning_curve.png: how the metrics changed from epoch to epoch."""

from __future__ import annotations

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from src.callbacks.best import best_of
from src.files.history import BESIDE_METRICS, Row, history_of, read_history
from src.module import SupervisedModule
from src.plots.names import short
from src.plots.picture import plots
from src.plots.sheet import laid_out, save, sheet, styled
from src.plots.ticks import few_ticks

WIDE = 1e4  # from the least to the greatest of positive values: a straight scale would show the greatest alone


class LearningCurve(Callback):
    """The loss, and the task's first metric, of train and val; the best epoch is marked."""

    @styled()
    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        rows = read_history(history_of(trainer.default_root_dir)) if trainer.is_global_zero else []
        if not rows:
            return
        metrics = _shown(rows, pl_module)
        figure, panels = sheet(4.4, 3.2, columns=len(metrics))
        epochs = rows[-1]["epoch"] + 1
        figure.suptitle(f"Learning curve: {epochs} epoch{'s' if epochs > 1 else ''}, {rows[-1]['seconds']:.1f} s")
        best = best_of(trainer)
        for axes, metric in zip(panels, metrics, strict=True):
            _draw(axes, rows, metric)
            if best.monitor and best.best_epoch is not None:
                label = f"best {short(best.monitor)}"
                axes.axvline(best.best_epoch, color="grey", linestyle=":", label=label)
        lines = {line.get_label(): line for axes in panels for line in axes.lines}
        figure.legend(handles=[*lines.values()], ncols=len(lines))
        save(laid_out(figure), plots(trainer) / "learning_curve.png")


def _draw(axes: Any, rows: list[Row], metric: str) -> None:
    """A metric's panel, with a line for each split that it was measured on."""
    values = [
        abs(row[name]) for row in rows for name in row if name.removeprefix("train/").removeprefix("val/") == metric
    ]
    for name in (metric, f"train/{metric}", f"val/{metric}"):
        points = [(row["epoch"], row[name]) for row in rows if name in row]
        if points:
            label = name.removesuffix(f"/{metric}")
            axes.plot(*zip(*points, strict=True), label=short(label), marker="o" if len(points) < 3 else None)
    if min(values, default=0) > 0 and max(values) > WIDE * min(values):
        axes.set_yscale("log")
    if len(rows) == 1:
        axes.set_xlim(rows[0]["epoch"] - 0.5, rows[0]["epoch"] + 0.5)
    axes.set(xlabel="epoch", title=short(metric))
    few_ticks(axes.xaxis, whole=True)
    few_ticks(axes.yaxis)


def _shown(rows: list[Row], module: L.LightningModule) -> list[str]:
    """Two metrics, without their split: the task's first, or else those that a module of the user's own has logged."""
    logged = [name for row in rows for name in row if name not in BESIDE_METRICS]
    names = module.measured if isinstance(module, SupervisedModule) else logged
    short = [name.partition("/")[2] if name.startswith(("train/", "val/")) else name for name in names]
    return list(dict.fromkeys(short))[:2] or ["lr"]
