"""Recurrent nets: they read a sequence step by step; a linear layer reads the last state."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from src.console.messages import UserError
from src.nets.shapes import check_sequence

NAMES = {"rnn": "an RNN", "lstm": "an LSTM", "gru": "a GRU"}
CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class RNN(nn.Module):
    """Sequences (B, T, F) -> (B, output_size) outputs.

    Args:
        cell: rnn (Elman 1990), lstm (Hochreiter & Schmidhuber 1997) or gru (Cho et al. 2014).
        hidden_size: values in a state.
        num_layers: recurrent layers, each of which reads the states of the one before.
        bidirectional: a second set of layers reads from the last step to the first.
        dropout: the share of values that training sets to zero between layers and before the linear layer, in [0, 1].

    Raises:
        UserError: the data are no sequences, or a size is below 1.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_size: int,
        cell: Literal["rnn", "lstm", "gru"],
        hidden_size: int,
        num_layers: int,
        bidirectional: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        check_sequence(NAMES[cell], input_shape)
        if min(hidden_size, num_layers) < 1:
            raise UserError(f"hidden_size={hidden_size} num_layers={num_layers}: at least 1 of each.")
        self.recurrent = CELLS[cell](
            input_shape[1],
            hidden_size,
            num_layers,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if num_layers > 1 else 0.0,
        )
        self.directions = 2 if bidirectional else 1
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(self.directions * hidden_size, output_size)

    def forward(self, x: Tensor) -> Tensor:
        _, last = self.recurrent(x)
        h = last[0] if isinstance(last, tuple) else last  # an LSTM has a memory beside its state
        h = h[-self.directions :].transpose(0, 1).flatten(1)  # (layers * directions, B, H) -> (B, directions * H)
        return self.linear(self.dropout(h))
