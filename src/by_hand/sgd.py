"""Stochastic gradient descent: a step downhill."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from src.console.messages import UserError


class SGD(Optimizer):
    """As `torch.optim.SGD`: ``v = momentum * v + grad; w = w - lr * v`` for each weight w (Polyak 1964).

    The parent keeps the parameters, their state v and the schedulers' hold on lr.

    Args:
        params: what to train.
        lr: the length of a step, at least 0.
        momentum: how much of the last step's direction stays, at least 0; under 1, or steps grow without bound.
        weight_decay: adds weight_decay * w to the gradient, as weight_decay / 2 * |w|^2 in the loss would; at least 0.

    Raises:
        UserError: one of them is negative.
    """

    def __init__(self, params: ParamsT, lr: float = 0.001, momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        options: dict[str, Any] = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        for name, value in options.items():
            if not value >= 0:
                raise UserError(f"{name}={value}: a number that is not negative is needed.")
        super().__init__(params, options)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient. A closure computes the loss and the gradients first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is not None:
                    w -= group["lr"] * self._direction(w, group)
        return loss

    def _direction(self, w: Tensor, group: dict[str, Any]) -> Tensor:
        grad = w.grad + group["weight_decay"] * w
        if group["momentum"] == 0:
            return grad
        state = self.state[w]
        v = state.get("momentum_buffer", torch.zeros_like(w))
        state["momentum_buffer"] = group["momentum"] * v + grad
        return state["momentum_buffer"]
