"""GoogLeNet (Szegedy et al. 2015), with batch norm; weights have torchvision's names."""

from __future__ import annotations

from torch import Tensor, nn

from src.console.messages import UserError
from src.nets.inception import ConvNorm, InceptionBlock
from src.nets.shapes import check_image, check_size

# Table 1 of the paper, by block: channels that come in; of the branches 1x1, 3x3 (reduced before), 5x5, pooling.
BLOCKS = {
    "3a": (192, 64, 96, 128, 16, 32, 32),
    "3b": (256, 128, 128, 192, 32, 96, 64),
    "4a": (480, 192, 96, 208, 16, 48, 64),
    "4b": (512, 160, 112, 224, 24, 64, 64),
    "4c": (512, 128, 128, 256, 24, 64, 64),
    "4d": (512, 112, 144, 288, 32, 64, 64),
    "4e": (528, 256, 160, 320, 32, 128, 128),
    "5a": (832, 256, 160, 320, 32, 128, 128),
    "5b": (832, 384, 192, 384, 48, 128, 128),
}


class Auxiliary(nn.Sequential):
    """A classifier half-way up, (B, in_channels, H, W) -> (B, output_size); its loss reaches lower layers directly."""

    def __init__(self, in_channels: int, output_size: int, dropout: float) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(4)  # (B, in_channels, H, W) -> (B, in_channels, 4, 4)
        self.conv = ConvNorm(in_channels, 128, 1)
        self.flatten = nn.Flatten()  # (B, 128, 4, 4) -> (B, 2048)
        self.fc1 = nn.Linear(2048, 1024)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(1024, output_size)


class GoogLeNet(nn.Module):
    """Images (B, C, H, W) of 32 x 32 pixels or more -> (B, output_size) outputs.

    In training it returns three of them, (outputs, lower auxiliary outputs, upper auxiliary outputs), each
    (B, output_size). The published weights want pixels from -1 to 1.

    Args:
        dropout: the share of values that training sets to zero before the last layer, in [0, 1].
        auxiliary_dropout: as `dropout`, in the auxiliary classifiers.
        auxiliary_weight: of each auxiliary loss beside that of the first outputs; at least 0.
        branch3_kernel: size of the larger convolution of a block, odd.

    Raises:
        UserError: the data are no images, or smaller; an even kernel; a negative weight.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_size: int,
        dropout: float,
        auxiliary_dropout: float,
        auxiliary_weight: float,
        branch3_kernel: int,
    ) -> None:
        check_image("GoogLeNet", input_shape)
        check_size("GoogLeNet", input_shape, 32, "Use a net for small images, such as Inception.")
        if branch3_kernel < 1 or branch3_kernel % 2 == 0:
            raise UserError(f"branch3_kernel={branch3_kernel}: an odd number keeps the size of the image.")
        if auxiliary_weight < 0:
            raise UserError(f"auxiliary_weight={auxiliary_weight}: at least 0.")
        super().__init__()
        self.auxiliary_weight = auxiliary_weight
        self.conv1 = ConvNorm(input_shape[0], 64, 7, stride=2)
        self.conv2 = ConvNorm(64, 64, 1)
        self.conv3 = ConvNorm(64, 192, 3)
        for name, channels in BLOCKS.items():
            self.add_module(f"inception{name}", InceptionBlock(*channels, branch3_kernel=branch3_kernel))
        self.aux1 = Auxiliary(512, output_size, auxiliary_dropout)
        self.aux2 = Auxiliary(528, output_size, auxiliary_dropout)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, output_size)
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.last_pool = nn.MaxPool2d(2, stride=2, ceil_mode=True)  # the paper has 3 x 3; published weights, this

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        x = self.pool(self.conv1(x))  # (B, 64, H / 4, W / 4)
        x = self.pool(self.conv3(self.conv2(x)))  # (B, 192, H / 8, W / 8)
        x = self.pool(self.blocks(x, "3a", "3b"))  # (B, 480, H / 16, W / 16)
        low = self.blocks(x, "4a")  # (B, 512, H / 16, W / 16)
        high = self.blocks(low, "4b", "4c", "4d")  # (B, 528, H / 16, W / 16)
        x = self.last_pool(self.blocks(high, "4e"))  # (B, 832, H / 32, W / 32)
        x = self.blocks(x, "5a", "5b").mean(dim=(2, 3))  # (B, 1024)
        outputs = self.fc(self.dropout(x))
        return (outputs, self.aux1(low), self.aux2(high)) if self.training else outputs

    def blocks(self, x: Tensor, *names: str) -> Tensor:
        for name in names:
            x = self.get_submodule(f"inception{name}")(x)
        return x
