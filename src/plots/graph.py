"""plots/graph.svg: the layers of the net, and what flows between them."""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any, cast

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from src.console.extras import need
from src.files.atomic import write_text
from src.plots.picture import plots

if TYPE_CHECKING:
    from src.module import SupervisedModule

PATIENCE = 20  # seconds for Graphviz, which may think for hours about a loop of some hundred steps
FONT = "Helvetica,Arial,sans-serif"


class Graph(Callback):
    """Draws the net's computation for one example, when training starts.

    A copy of the net is drawn, so that the net itself stays as it is. One that cannot be drawn is only told of.

    Args:
        depth: how far blocks inside of blocks are opened; a layer of torch.nn is never.

    Raises:
        ValueError: the extra `graph` or Graphviz is missing, or a depth below 1.
    """

    def __init__(self, depth: int = 2) -> None:
        if depth < 1:
            raise ValueError(f"callbacks.graph.depth={depth}: at least 1.")
        need("graph=true", "torchview", "graph")
        if shutil.which("dot") is None:
            raise ValueError("graph=true needs Graphviz: apt install graphviz, or brew install graphviz")
        self.depth = depth

    def on_train_start(self, trainer: L.Trainer, pl_module: SupervisedModule) -> None:
        if not trainer.is_global_zero:
            return
        try:
            svg = self._drawn(pl_module, cast(Any, trainer).datamodule.example()[:1])
        except Exception as error:  # of any kind: a picture is not worth a run
            reason = str(error.__cause__ or error).strip().partition("\n")[0]
            print(f"Warning: the net's graph cannot be drawn: {reason}", file=sys.stderr)
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
