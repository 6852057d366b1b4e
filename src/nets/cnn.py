"""A convolutional net."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from src.nets.activation import activation_class
from src.nets.shapes import check_halving


class CNN(nn.Sequential):
    """Images (B, C, H, W) -> (B, output_size) outputs.

    Each block is convolution, batch norm, activation and 2 x 2 max pooling; a linear layer reads what is left.

    Args:
        channels: of each block.
        kernel_size: of the convolutions, in pixels; odd.
        activation: the name of an activation in torch.nn.
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
        activation: str,
        dropout: float,
    ) -> None:
        check_halving(input_shape, channels, kernel_size)
        _, height, width = input_shape
        shrink = 2 ** len(channels)
        act = activation_class(activation)
        layers: list[nn.Module] = []
        sizes = [input_shape[0], *channels]
        for size, next_size in pairwise(sizes):
            layers += [
                nn.Conv2d(size, next_size, kernel_size, padding=kernel_size // 2, bias=False),
                nn.BatchNorm2d(next_size),
                act(),
                nn.MaxPool2d(2),  # (B, C, H, W) -> (B, C, H // 2, W // 2)
            ]
        left = sizes[-1] * (height // shrink) * (width // shrink)
        super().__init__(*layers, nn.Flatten(), nn.Dropout(dropout), nn.Linear(left, output_size))
