"""Residual nets (He et al. 2016), small ones and those of the paper; weights have torchvision's names."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from src.nets.shapes import FEWER_STAGES, check_image, check_size, check_stages


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut: (B, in_channels, H, W) -> (B, width, H', W'), H' = ceil(H / stride)."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(in_channels, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.bn1(self.conv1(x)))
        h = self.bn2(self.conv2(h))
        return F.relu(h + self.downsample(x))


class BottleneckBlock(nn.Module):
    """A 3 x 3 convolution on fewer channels, beside a shortcut: (B, in_channels, H, W) -> (B, 4 * width, H', W').

    The 3 x 3 convolution has the stride. In the paper the first one has it, but published weights are of this kind.
    """

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(in_channels, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = _conv(width, 4 * width, 1)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = _shortcut(in_channels, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.bn1(self.conv1(x)))
        h = F.relu(self.bn2(self.conv2(h)))
        h = self.bn3(self.conv3(h))
        return F.relu(h + self.downsample(x))


BLOCKS = {"basic": BasicBlock, "bottleneck": BottleneckBlock}


class ResNet(nn.Sequential):
    """Images (B, C, H, W) -> (B, output_size) outputs.

    A stem, stages of residual blocks, the mean over the pixels and a linear layer. Each stage but the first halves
    the image. Initialization by He et al. (2015), so that gradients keep their size on the way back.

    Args:
        block: basic, two 3 x 3 convolutions; bottleneck, a 3 x 3 one between two 1 x 1 ones.
        blocks: how many, of each stage.
        widths: channels of each stage; a bottleneck's outputs have four times as many.
        stem: imagenet, a 7 x 7 convolution and max pooling that leave a quarter of height and width; small, a 3 x 3
            convolution that leaves the size as it is.

    Raises:
        UserError: the data are no images, or too small for stem and stages.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_size: int,
        block: Literal["basic", "bottleneck"],
        blocks: list[int],
        widths: list[int],
        stem: Literal["imagenet", "small"],
    ) -> None:
        check_image("a ResNet", input_shape)
        check_stages(blocks, widths)
        _check_size(input_shape, stem, len(blocks))
        super().__init__()
        channels = widths[0]
        self.conv1 = _conv(input_shape[0], channels, 7, 2) if stem == "imagenet" else _conv(input_shape[0], channels, 3)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        if stem == "imagenet":
            self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)  # (B, C, H / 2, W / 2) -> (B, C, H / 4, W / 4)
        for number, (count, width) in enumerate(zip(blocks, widths, strict=True), start=1):
            stage = nn.Sequential()
            for i in range(count):
                stage.append(BLOCKS[block](channels, width, stride=2 if i == 0 and number > 1 else 1))
                channels = BLOCKS[block].expansion * width
            self.add_module(f"layer{number}", stage)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()  # (B, C, 1, 1) -> (B, C)
        self.fc = nn.Linear(channels, output_size)


def _conv(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> nn.Conv2d:
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """x as it is, or as a 1 x 1 convolution makes it where the block's outputs have another shape."""
    if in_channels == out_channels and stride == 1:
        return nn.Identity()
    return nn.Sequential(_conv(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels))


def _check_size(input_shape: tuple[int, ...], stem: str, stages: int) -> None:
    smallest = 2 ** (stages - 1)
    if stem == "small":
        check_size("a ResNet", input_shape, smallest, FEWER_STAGES)
    else:
        instead = f"Use a smaller ResNet, or stem=small, which needs {smallest} x {smallest}."
        check_size("a ResNet with stem=imagenet", input_shape, 4 * smallest, instead)
