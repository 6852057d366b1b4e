"""plots/graph.svg: the layers of the net, and what flows between them."""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from src.console.extras import need
from src.console.messages import UserError, first_line
from src.datamodule import data_of
from src.files.atomic import write_text
from src.module import SupervisedModule
from src.plots.picture import plots

PATIENCE = 20  # seconds for Graphviz, which may think for hours about a loop of some hundred steps
FONT = "Helvetica,Arial,sans-serif"


class Graph(Callback):
    """Draws the net's computation for one example, when training starts.

    A copy of the net is drawn, so that the net itself stays as it is. One that cannot be drawn is a warning.

    Args:
        enabled: whether it draws.
        depth: how far blocks inside of blocks are opened; a layer of torch.nn is never.

    Raises:
        UserError: the extra `graph` or Graphviz is missing, or a depth below 1.
    """

    def __init__(self, enabled: bool, depth: int) -> None:
        if depth < 1:
            raise UserError(f"depth={depth}: at least 1.")
        if enabled:
            need("graph=true", "torchview", "graph")
        if enabled and shutil.which("dot") is None:
            raise UserError("graph=true needs Graphviz: apt install graphviz, or brew install graphviz")
        self.enabled, self.depth = enabled, depth

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not (self.enabled and trainer.is_global_zero):
            return
        if not isinstance(pl_module, SupervisedModule):
            raise UserError(f"graph=true draws `net` of a SupervisedModule, not a {type(pl_module).__name__}.")
        try:
            svg = self._drawn(pl_module, data_of(trainer).examples()[0][:1])
        except Exception as error:  # of any kind: a picture is not worth a run
            print(f"Warning: the net's graph cannot be drawn: {first_line(error.__cause__ or error)}", file=sys.stderr)
            return
        write_text(plots(trainer) / "graph.svg", svg)

    def _drawn(self, pl_module: SupervisedModule, x: torch.Tensor) -> str:
        from torchview import draw_graph

        x = pl_module.inputs(x.to(pl_module.device)).cpu()
        net = copy.deepcopy(pl_module.net).cpu()
        with torch.random.fork_rng(devices=[]):
            # roll: a cell that is called at every step of a sequence stands there once
            graph = draw_graph(net, [x], device="cpu", depth=self.depth, expand_nested=True, roll=True).visual_graph
        graph.graph_attr.pop("size", None)  # it would shrink the picture of a large net until nobody can read it
        for attributes in (graph.graph_attr, graph.node_attr, graph.edge_attr):
            attributes["fontname"] = FONT
        # Not by the pipe of the package graphviz, which cannot be told how long to wait.
        options: dict[str, Any] = {"capture_output": True, "encoding": "utf-8", "timeout": PATIENCE, "check": True}
        return subprocess.run(["dot", "-Tsvg"], input=graph.source, **options).stdout
