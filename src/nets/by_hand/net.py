"""A convolutional net whose layers are all written out."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from src.nets.by_hand import BatchNorm2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU


class ByHandCNN(nn.Sequential):
    """Images (B, C, H, W) -> (B, output_size).

    It is `src.nets.cnn.CNN` layer by layer, so that a state dict of the one loads into the other.

    Args:
        channels: of each block: convolution, batch norm, ReLU and 2 x 2 max pooling.
        kernel_size: of the convolutions, in pixels; odd.
        dropout: the share of values that training sets to zero before the linear layer, in [0, 1].

    Raises:
        ValueError: the data are no images, or too small for so many poolings.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_size: int,
        channels: list[int],
        kernel_size: int = 3,
        dropout: float = 0.0,
    ) -> None:
        _check(input_shape, channels, kernel_size)
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


def _check(input_shape: tuple[int, ...], channels: list[int], kernel_size: int) -> None:
    if len(input_shape) != 3:
        raise ValueError(
            f"net=by_hand reads images (channels, height, width), but an example of these data is {list(input_shape)}. "
            "Use net=mlp or net=linear."
        )
    if min(channels, default=1) < 1:
        raise ValueError(f"net.channels={channels}: a block needs at least 1 channel.")
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"net.kernel_size={kernel_size}: an odd number keeps the size of the image.")
    _, height, width = input_shape
    if min(height, width) < 2 ** len(channels):
        raise ValueError(
            f"net.channels={channels}: each block halves the image, and {height} x {width} cannot be halved "
            f"{len(channels)} times. Use fewer blocks."
        )
