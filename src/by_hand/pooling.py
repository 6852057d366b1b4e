"""Max pooling: of each window the greatest value."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from src.by_hand.convolution import add_windows, windows


class MaxPool2dFunction(Function):
    """x (B, C, H, W) -> (B, C, H', W'), from windows of size x size pixels, every `stride` pixels."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: int, stride: int) -> Tensor:
        places = windows(x, size, stride)  # (B, C, size, size, H', W')
        y, winner = places.flatten(2, 3).max(dim=2)  # both (B, C, H', W'); of equal values the first wins
        ctx.save_for_backward(winner)
        ctx.shape, ctx.windows_shape, ctx.stride = x.shape, places.shape, stride
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        # y is the winner itself, slope 1; a small change of any other pixel in the window changes nothing, slope 0.
        (winner,) = ctx.saved_tensors
        to_windows = grad.new_zeros(ctx.windows_shape).flatten(2, 3)  # (B, C, size * size, H', W')
        to_windows.scatter_(2, winner.unsqueeze(2), grad.unsqueeze(2))
        return add_windows(to_windows.reshape(ctx.windows_shape), ctx.shape, ctx.stride), None, None


class MaxPool2d(nn.Module):
    """(B, C, H, W) -> (B, C, H', W'), H' = (H - kernel_size) // stride + 1, as `torch.nn.MaxPool2d`, square windows.

    Args:
        kernel_size: the side of a window in pixels.
        stride: pixels from one window to the next; None: kernel_size, so that windows do not overlap.
    """

    def __init__(self, kernel_size: int, stride: int | None = None) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride

    def forward(self, x: Tensor) -> Tensor:
        return MaxPool2dFunction.apply(x, self.kernel_size, self.stride)
