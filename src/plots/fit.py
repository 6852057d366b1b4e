"""plots/fit.png: the points of data with one x and one y, and the curve that was learnt."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure
from torch import Tensor

from src.console.numbers import shown
from src.datamodule import DataModule
from src.module import SupervisedModule
from src.plots.names import short
from src.plots.picture import Picture, curve_x, draw_points
from src.plots.sheet import laid_out, sheet, styled
from src.plots.ticks import few_ticks


class Fit(Picture):
    """Data and curve."""

    name = "fit"

    def add(self, x: Tensor, truth: Tensor, predictions: Tensor) -> None:
        """The curve says it all."""

    @styled()
    def draw(self, module: SupervisedModule, data: DataModule, split: str, metrics: dict[str, float]) -> Figure:
        figure, [axes] = sheet(6, 4.2)
        draw_points(axes, data)
        x = curve_x(data)
        with torch.no_grad():
            y = module(x.to(module.device)).cpu().float()  # (300, 1)
            intercept, at_1 = module(torch.tensor([[0.0], [1.0]], device=module.device))[:, 0].tolist()
        slope = at_1 - intercept
        is_line = torch.allclose(y, intercept + slope * x, atol=1e-4 * y.abs().max().item())
        label = f"{intercept:.5f} {slope:+.5f} x" if is_line else "learnt"
        axes.plot(x[:, 0].numpy(), y[:, 0].numpy(), color="black", label=label)
        few_ticks(axes.xaxis)
        few_ticks(axes.yaxis)
        rmse = shown(metrics.get(f"{split}/rmse"))
        figure.suptitle(f"{short(data.description.target)} from x: {split}/rmse {rmse}")
        handles, _ = axes.get_legend_handles_labels()
        figure.legend(handles=handles, ncols=len(handles))
        return laid_out(figure)
