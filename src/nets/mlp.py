"""A multilayer perceptron."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import nn

from src.console.messages import UserError
from src.nets.activation import activation_class


class MLP(nn.Sequential):
    """(B, *input_shape) -> (B, output_size) outputs, through hidden layers with activation and dropout after each.

    Args:
        hidden: sizes of the hidden layers; none makes it linear.
        activation: the name of an activation in torch.nn.
        dropout: the share of hidden values that training sets to zero, in [0, 1].

    Raises:
        UserError: a hidden layer without units, or an activation that torch.nn lacks.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_size: int,
        hidden: list[int],
        activation: str,
        dropout: float,
    ) -> None:
        if min(hidden, default=1) < 1:
            raise UserError(f"hidden={hidden}: a layer needs at least 1 unit.")
        act = activation_class(activation)
        layers: list[nn.Module] = [nn.Flatten()]  # (B, *input_shape) -> (B, F)
        sizes = [math.prod(input_shape), *hidden]
        for size, next_size in pairwise(sizes):
            layers += [nn.Linear(size, next_size), act(), nn.Dropout(dropout)]
        super().__init__(*layers, nn.Linear(sizes[-1], output_size))
