"""What is about to be trained, as a table on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from src.module import SupervisedModule


class Summary(Callback):
    """The data and their split; the net's layers with the shape of what they give and their parameters."""

    def on_train_start(self, trainer: L.Trainer, pl_module: SupervisedModule) -> None:
        if not trainer.is_global_zero:
            return
        data, h = cast(Any, trainer).datamodule, pl_module.hparams
        sizes = ", ".join(f"{len(part)} {split}" for split, part in data.splits.items())
        values = "1 value" if h.output_size == 1 else f"{h.output_size} values"
        answer = values if h.classes is None else f"{len(h.classes)} classes"
        console = Console(highlight=False)
        with console.capture() as capture:  # rich itself would end the program where nobody reads on, as in `| head`
            shape = "x".join(map(str, h.input_shape))
            console.print(f"{h.task} of {data.target}: {sizes} examples; x {shape}, {answer}", soft_wrap=True)
            console.print(self._layers(pl_module, data.example().to(pl_module.device)))
        print(capture.get(), end="")

    def _layers(self, pl_module: SupervisedModule, x: torch.Tensor) -> Table:
        net = pl_module.net
        parameters = sum(p.numel() for p in net.parameters())
        table = Table(
            "layer",
            "",
            "output",
            title=f"{type(net).__name__}: {parameters:,} parameters",
            title_justify="left",
        )
        table.add_column("parameters", justify="right")
        own = net.named_parameters(recurse=False)
        rows = {name: [name, "Parameter", " x ".join(map(str, p.shape)), f"{p.numel():,}"] for name, p in own}

        def note(name: str, layer: torch.nn.Module) -> Any:
            def hook(_: Any, __: Any, output: Any) -> None:
                shape = " x ".join(map(str, output.shape[1:])) if isinstance(output, torch.Tensor) else ""
                rows[name] = [
                    name,
                    type(layer).__name__,
                    shape,
                    f"{sum(p.numel() for p in layer.parameters()):,}",
                ]

            return layer.register_forward_hook(hook)

        hooks = [note(name, layer) for name, layer in net.named_children()]
        pl_module.try_net(x)
        for hook in hooks:
            hook.remove()
        for row in rows.values():
            table.add_row(*row)
        return table
