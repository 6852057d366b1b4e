"""A convolutional net whose layers are all written out."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from src.by_hand.activations import ReLU
from src.by_hand.batch_norm import BatchNorm2d
from src.by_hand.convolution import Conv2d
from src.by_hand.dropout import Dropout
from src.by_hand.linear import Flatten, Linear
from src.by_hand.pooling import MaxPool2d
from src.nets.shapes import check_halving


class CNN(nn.Sequential):
    """Images (B, C, H, W) -> (B, output_size) outputs.

    It is `src.nets.CNN` layer by layer, so that a state dict of the one loads into the other.

    Args:
        channels: of each block: convolution, batch norm, ReLU and 2 x 2 max pooling.
        kernel_size: of the convolutions, in pixels; odd.
        dropout: the share of values that training sets to zero before the linear layer, in [0, 1].

    Raises:
        UserError: the data are no images, or too small for so many poolings.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_size: int,
        channels: list[int],
        kernel_size: int,
        dropout: float,
    ) -> None:
        check_halving(input_shape, channels, kernel_size)
        in_channels, height, width = input_shape
        layers: list[nn.Module] = []
        sizes = [in_channels, *channels]
        for size, next_size in pairwise(sizes):
            layers += [
                Conv2d(size, next_size, kernel_size, padding=kernel_size // 2, bias=False),
                BatchNorm2d(next_size),
                ReLU(),
                MaxPool2d(2),  # (B, C, H, W) -> (B, C, H // 2, W // 2)
            ]
        shrink = 2 ** len(channels)
        left = sizes[-1] * (height // shrink) * (width // shrink)
        super().__init__(*layers, Flatten(), Dropout(dropout), Linear(left, output_size))

    def forward(self, x: Tensor) -> Tensor:
        # Mixed precision would give the backwards tensors of two dtypes: here all is in that of the weights.
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.to(next(self.parameters()).dtype))
