"""What nn.RNN does, step by step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from src.console.messages import UserError
from src.nets.shapes import check_sequence


class RNNByCell(nn.Module):
    """Sequences (B, T, F) -> (B, output_size) outputs: ``h = tanh(W x_t + V h + b)`` for each step (Elman 1990).

    Args:
        hidden_size: values in the state h.

    Raises:
        UserError: the data are no sequences, or the size is below 1.
    """

    def __init__(self, input_shape: tuple[int, ...], output_size: int, hidden_size: int) -> None:
        super().__init__()
        check_sequence("an RNN", input_shape)
        if hidden_size < 1:
            raise UserError(f"hidden_size={hidden_size}: a state needs at least 1 value.")
        self.cell = nn.RNNCell(input_shape[1], hidden_size)
        self.linear = nn.Linear(hidden_size, output_size)

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(len(x), self.cell.hidden_size)
        for x_t in torch.unbind(x, dim=1):  # T times (B, F)
            h = self.cell(x_t, h)  # (B, H)
        return self.linear(h)
