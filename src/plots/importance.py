"""plots/importance.png: which columns of a table matter."""

from __future__ import annotations

import lightning as L
import torch
from matplotlib.figure import Figure
from torch import Tensor

from src.console.screen import in_sweep, notice
from src.datamodule import DataModule
from src.learning.importance import MOST, permutation_importances
from src.module import SupervisedModule
from src.plots.names import short, short_names
from src.plots.picture import Picture
from src.plots.sheet import laid_out, sheet, styled
from src.plots.ticks import few_ticks


class Importance(Picture):
    """A bar a column: how much larger the loss becomes when its values are shuffled, with 95 % intervals.

    Args:
        enabled: None: yes, but not in the jobs of a sweep.
    """

    name = "importance"

    def __init__(self, enabled: bool | None) -> None:
        self.is_asked_for = bool(enabled)
        self.enabled = not in_sweep() if enabled is None else enabled
        self.examples: list[tuple[Tensor, Tensor]] = []

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.is_asked_for and not (isinstance(pl_module, SupervisedModule) and self.suits(pl_module)):
            notice("importance=true draws nothing here: it is of the columns of a table, of two at least.")

    def suits(self, module: SupervisedModule) -> bool:
        return self.enabled and module.data is not None and len(module.data.columns or ()) > 1

    def add(self, x: Tensor, truth: Tensor, predictions: Tensor) -> None:
        if sum(len(y) for _, y in self.examples) < MOST:
            self.examples.append((x, truth))

    @styled()
    def draw(self, module: SupervisedModule, data: DataModule, split: str, metrics: dict[str, float]) -> Figure:
        x, truth = (torch.cat(parts) for parts in zip(*self.examples, strict=True))
        self.examples = []
        columns = data.description.columns or []

        def loss(x: Tensor, truth: Tensor) -> Tensor:
            return module.task.loss(module.net(module.inputs(x)), module.task.target(truth))

        found = permutation_importances(loss, x, truth, columns)
        names = sorted(found, key=lambda name: found[name][0])
        rises, widths = zip(*(found[name] for name in names), strict=True)
        figure, [axes] = sheet(5, max(1.5, 0.26 * len(names)))
        axes.barh(range(len(names)), rises, xerr=widths, color="tab:blue", ecolor="black", capsize=2)
        axes.set_yticks(range(len(names)), short_names(names, 40))
        axes.axvline(0, color="grey", linewidth=0.8)
        few = len(names) < len(columns)
        said = f"the {len(names)} of {len(columns)} columns that matter most" if few else "which columns matter"
        figure.suptitle(f"{short(data.description.target)}: {said}, {len(x):,} {split} examples")
        axes.margins(y=0.5 / len(names))
        axes.set_xlabel("by how much the loss rises when a column is shuffled")
        axes.grid(False, axis="y")
        few_ticks(axes.xaxis)
        return laid_out(figure)
