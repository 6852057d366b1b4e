"""A convolutional net for sentences of any length."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from examples.texts.sentences import PADDING
from src.console.messages import UserError


class SentenceCNN(nn.Module):
    """Convolutions over the embeddings of words, and the largest value of each (Kim 2014); x (B, T), int64 ->
    (B, output_size).

    Padding at the end of a sentence changes nothing: its embedding is 0, and no value of its places is taken.

    Args:
        vocabulary_size: how many numbers of words there are.
        embedding_size: values for each word.
        channels: of each convolution.
        widths: of the convolutions, in words; odd.
        dropout: before the last layer.

    Raises:
        UserError: a convolution of an even width.
    """

    def __init__(
        self,
        input_shape: tuple[int | None, ...],
        output_size: int,
        vocabulary_size: int,
        embedding_size: int,
        channels: int,
        widths: list[int],
        dropout: float,
    ) -> None:
        super().__init__()
        if any(width < 1 or width % 2 == 0 for width in widths):
            raise UserError(f"widths={widths}: an odd number of words has one in the middle.")
        self.embedding = nn.Embedding(vocabulary_size, embedding_size, padding_idx=PADDING)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(embedding_size, channels, width, padding=width // 2) for width in widths
        )
        self.dropout = nn.Dropout(dropout)
        self.scores = nn.Linear(channels * len(widths), output_size)

    def forward(self, x: Tensor) -> Tensor:
        words = self.embedding(x).transpose(1, 2)  # (B, embedding_size, T)
        values = torch.cat([convolution(words) for convolution in self.convolutions], dim=1).relu()
        largest = values.masked_fill((x == PADDING).unsqueeze(1), 0).amax(dim=2)  # 0 is the least that relu gives
        return self.scores(self.dropout(largest))
