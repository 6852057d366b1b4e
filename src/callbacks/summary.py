"""What is about to be trained, as a table on the screen."""

from __future__ import annotations

import re
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.table import Table
from torch import nn

from src.console.screen import in_sweep
from src.datamodule import DataModule, data_of
from src.datasets.contract import ReadsTarget
from src.module import SupervisedModule


class Summary(Callback):
    """The data and their split; the net's layers with the shape of their outputs and their parameters."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not (self.enabled and trainer.is_global_zero) or in_sweep():
            return
        data, console = data_of(trainer), Console(highlight=False, markup=False, emoji=False)  # names are no markup
        net = pl_module.net if isinstance(pl_module, SupervisedModule) else pl_module
        shapes = _output_shapes(pl_module, data) if isinstance(pl_module, SupervisedModule) else {}
        with console.capture() as capture:  # rich itself would end the program where nobody reads on, as in `| head`
            console.print(_data_line(data, pl_module), soft_wrap=True)
            console.print(_parameters_line(net), soft_wrap=True)
            console.print(_layers(net, shapes))
        print(capture.get(), end="")


def _data_line(data: DataModule, module: L.LightningModule) -> str:
    sizes = ", ".join(f"{len(subset)} {split}" for split, subset in data.splits.items())
    shape = "x".join("?" if size is None else str(size) for size in data.description.input_shape)
    if not isinstance(module, SupervisedModule):
        return f"{type(module).__name__}: {sizes} examples; x {shape}"
    task, predicts = module.task.summary()
    return f"{task} of {data.description.target}: {sizes} examples; x {shape}, {predicts}{otherwise(data)}"


def otherwise(data: DataModule) -> str:
    """What to type where few whole numbers were taken for classes, though they may be a count."""
    classes = data.description.classes or []
    is_count = len(classes) > 2 and all(re.fullmatch(r"-?\d+", name) for name in classes)
    asks = data.target_kind is None and is_count and isinstance(data.dataset, ReadsTarget)
    return " (if it is a count: task=regression)" if asks else ""


def _parameters_line(net: nn.Module) -> str:
    total = sum(p.numel() for p in net.parameters())
    learning = sum(p.numel() for p in net.parameters() if p.requires_grad)
    part = f", of which {learning:,} learn" if learning < total else ""
    return f"{type(net).__name__}: {total:,} parameters{part}"


def _layers(net: nn.Module, shapes: dict[str, str]) -> Table:
    table = Table("layer", "", "output")
    table.add_column("parameters", justify="right")
    for name, parameter in net.named_parameters(recurse=False):
        table.add_row(name, "Parameter", " x ".join(map(str, parameter.shape)), f"{parameter.numel():,}")
    for name, layer in net.named_children():
        count = sum(p.numel() for p in layer.parameters())
        table.add_row(name, type(layer).__name__, shapes.get(name, ""), f"{count:,}")
    return table


def _output_shapes(module: SupervisedModule, data: DataModule) -> dict[str, str]:
    """Of each layer of the net, for one example."""
    shapes: dict[str, str] = {}

    def note(name: str) -> Any:
        def hook(_: Any, __: Any, output: Any) -> None:
            shapes[name] = " x ".join(map(str, output.shape[1:])) if isinstance(output, torch.Tensor) else ""

        return hook

    hooks = [layer.register_forward_hook(note(name)) for name, layer in module.net.named_children()]
    module.outputs(data.examples()[0].to(module.device))
    for hook in hooks:
        hook.remove()
    return shapes
