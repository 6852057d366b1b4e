"""What looks wrong in a run that goes on all the same, in a line each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from src.console.messages import is_out_of_memory
from src.console.screen import notice
from src.datamodule import data_of
from src.module import SupervisedModule


class Notices(Callback):
    """Batches larger than the split, what does not learn, predictions all alike, a net beyond memory."""

    def __init__(self) -> None:
        self.before: dict[str, float] = {}
        self.first: Tensor | None = None
        self.varies = False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        data = data_of(trainer)
        size, batch_size = len(data.splits["train"]), data.loading.batch_size
        if batch_size > size:
            notice(f"data.batch_size={batch_size} is more than the {size} training examples: an epoch is one step.")
        for owner, name in _hidden_layers(pl_module):
            notice(
                f"{owner}.{name} holds layers that do not learn: torch looks into nn.ModuleList and ModuleDict only."
            )
        if trainer.global_step == 0:
            self.before = _sums(pl_module)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.before:
            after = _sums(pl_module)
            still = [name for name, value in self.before.items() if after[name] == value]
            self.before = {}
            if still:
                more = f" and {len(still) - 3} more" if len(still) > 3 else ""
                notice(
                    f"An epoch has left {', '.join(still[:3])}{more} as they were: does the loss depend on them? "
                    "A layer that forward does not use, detach() and no_grad() keep parameters from learning."
                )

    def on_test_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, *_: Any) -> None:
        if not self.varies and isinstance(pl_module, SupervisedModule):
            self.first = outputs[0] if self.first is None else self.first
            self.varies = bool(((outputs - self.first).abs() > 1e-6 * self.first.abs().max()).any())  # in any unit

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        count = len(data_of(trainer).splits["test"])
        if self.first is not None and not self.varies and count > 1:
            notice(
                f"The predictions for all {count} test examples are the same: the net has learnt nothing from x. "
                "Try another optimizer.lr, more trainer.max_epochs, or debug=overfit, which shows whether it can learn."
            )

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        parameters = [p.nbytes for p in pl_module.parameters()]
        if is_out_of_memory(exception) and parameters:
            size = sum(parameters) / 1e9
            notice(
                f"The parameters take {size:.3g} GB; to train them takes four times that, and what the layers answer."
            )


def _hidden_layers(module: L.LightningModule) -> Iterator[tuple[str, str]]:
    """Class and attribute of each Python list, tuple or dict of layers that are no part of the module."""
    known = set(module.modules())
    for part in module.modules():
        for name, value in vars(part).items():
            values = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
            if any(isinstance(layer, nn.Module) and layer not in known and [*layer.parameters()] for layer in values):
                yield type(part).__name__, name


def _sums(module: L.LightningModule) -> dict[str, float]:
    """A number for each parameter that learns; if it changes, so does that."""
    learning = [(name, p.detach().double()) for name, p in module.named_parameters() if p.requires_grad]
    return {name: (p.sum() + p.abs().sum().sqrt()).item() for name, p in learning}
