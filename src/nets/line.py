"""One straight line in two ways in which a beginner would write it; an MLP without hidden layers is the third."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from src.console.messages import UserError


class LineParameters(nn.Module):
    """``intercept + slope * x`` with two bare parameters; x (B, 1) -> (B, 1).

    Raises:
        UserError: data with more than one x or y.
    """

    def __init__(self, input_shape: tuple[int, ...], output_size: int) -> None:
        super().__init__()
        _check(input_shape, output_size)
        self.intercept = nn.Parameter(torch.randn(1))
        self.slope = nn.Parameter(torch.randn(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.intercept + self.slope * x


class LineNested(nn.Module):
    """The same with a Linear layer inside; x (B, 1) -> (B, 1).

    Raises:
        UserError: data with more than one x or y.
    """

    def __init__(self, input_shape: tuple[int, ...], output_size: int) -> None:
        super().__init__()
        _check(input_shape, output_size)
        self.linear = nn.Linear(1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


def _check(input_shape: tuple[int, ...], output_size: int) -> None:
    if input_shape != (1,) or output_size != 1:
        raise UserError(
            f"a line learns one y from one x, but an example of these data is {list(input_shape)}, "
            f"and the output has size {output_size}. Use a linear net."
        )
