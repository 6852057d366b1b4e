"""A small net of Inception blocks (Szegedy et al. 2015), for small images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from src.console.messages import UserError
from src.nets.shapes import FEWER_STAGES, check_image, check_size, check_stages


class ConvNorm(nn.Sequential):
    """Convolution, batch norm, ReLU: (B, in_channels, H, W) -> (B, out_channels, H', W'), of equal size at stride 1."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=1e-3)
        self.relu = nn.ReLU(inplace=True)


class InceptionBlock(nn.Module):
    """Looks at (B, in_channels, H, W) on four scales at once -> (B, ones + threes + fives + pool, H, W).

    Args:
        ones: channels of the branch with a 1 x 1 convolution.
        threes_reduced: channels to which a 1 x 1 convolution reduces x, before the 3 x 3 one.
        threes: channels of the branch with a 3 x 3 convolution.
        fives_reduced: as `threes_reduced`, before the 5 x 5 convolution.
        fives: channels of the branch with a 5 x 5 convolution.
        pool: channels of the branch with 3 x 3 max pooling.
        branch3_kernel: size of the `fives` convolution.
    """

    def __init__(
        self,
        in_channels: int,
        ones: int,
        threes_reduced: int,
        threes: int,
        fives_reduced: int,
        fives: int,
        pool: int,
        branch3_kernel: int = 5,
    ) -> None:
        super().__init__()
        self.branch1 = ConvNorm(in_channels, ones, 1)
        self.branch2 = nn.Sequential(ConvNorm(in_channels, threes_reduced, 1), ConvNorm(threes_reduced, threes, 3))
        self.branch3 = nn.Sequential(
            ConvNorm(in_channels, fives_reduced, 1), ConvNorm(fives_reduced, fives, branch3_kernel)
        )
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), ConvNorm(in_channels, pool, 1))

    def forward(self, x: Tensor) -> Tensor:
        branches = [self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)]
        return torch.cat(branches, dim=1)


class Inception(nn.Sequential):
    """Images (B, C, H, W) -> (B, output_size) outputs.

    A 3 x 3 convolution, stages of Inception blocks with 2 x 2 max pooling between them, the mean over the pixels and
    a linear layer.

    Args:
        blocks: how many, of each stage.
        widths: channels of each stage's blocks, multiples of 16. The branches share them as in the paper's first
            block: a quarter is 1 x 1, a half 3 x 3, an eighth 5 x 5, an eighth pooling.
        dropout: the share of values that training sets to zero before the linear layer, in [0, 1].

    Raises:
        UserError: the data are no images, or too small for so many stages.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_size: int,
        blocks: list[int],
        widths: list[int],
        dropout: float,
    ) -> None:
        check_image("an Inception net", input_shape)
        check_stages(blocks, widths)
        if any(width % 16 for width in widths):
            raise UserError(f"widths={widths}: the branches share a multiple of 16.")
        check_size("an Inception net", input_shape, 2 ** (len(blocks) - 1), FEWER_STAGES)
        layers: list[nn.Module] = [ConvNorm(input_shape[0], widths[0], 3)]
        channels = widths[0]
        for stage, (count, width) in enumerate(zip(blocks, widths, strict=True)):
            if stage > 0:
                layers.append(nn.MaxPool2d(2))  # (B, C, H, W) -> (B, C, H // 2, W // 2)
            for _ in range(count):
                shares = (width // 4, width * 3 // 8, width // 2, width // 16, width // 8, width // 8)
                layers.append(InceptionBlock(channels, *shares))
                channels = width
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, output_size)]
        super().__init__(*layers)
