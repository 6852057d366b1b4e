"""Convolution: the linear layer again, at every place of an image with the same weights (LeCun et al. 1989)."""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from src.by_hand.linear import uniform


def windows(x: Tensor, size: int, stride: int) -> Tensor:
    """All windows of size x size pixels, every `stride` pixels: (B, C, H, W) -> (B, C, size, size, H', W').

    [:, :, i, j] is an image of H' x W' windows: pixel (i, j) of each. H' = (H - size) // stride + 1, and W' likewise.
    Nothing is copied: the windows overlap in the memory of x.
    """
    return x.unfold(2, size, stride).unfold(3, size, stride).permute(0, 1, 4, 5, 2, 3)


def add_windows(grad: Tensor, shape: torch.Size, stride: int) -> Tensor:
    """The way back through `windows`: (B, C, size, size, H', W') -> `shape`, (B, C, H, W).

    A pixel that was in several windows has the sum of what comes back from them; one that was in none has 0.
    """
    x = grad.new_zeros(shape)
    size, (height, width) = grad.shape[2], grad.shape[4:]
    for i, j in product(range(size), repeat=2):  # over the places in a window: a few, however large the image
        x[:, :, i : i + stride * height : stride, j : j + stride * width : stride] += grad[:, :, i, j]
    return x


class Conv2dFunction(Function):
    """x (B, C, H, W), weight (O, C, K, K), bias (O,) or None -> (B, O, H', W').

    With F = C K K values in a window and P = H' W' places it is ``weight (O, F) @ patches (F, P)`` for each image.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
        x = pad(x, padding)
        places = windows(x, weight.shape[2], stride)  # (B, C, K, K, H', W')
        patches = places.flatten(4).flatten(1, 3)  # (B, F, P)
        ctx.save_for_backward(patches, weight)
        ctx.padded_shape, ctx.windows_shape, ctx.stride, ctx.padding = x.shape, places.shape, stride, padding
        y = weight.flatten(1) @ patches  # (O, F) (B, F, P) -> (B, O, P)
        if bias is not None:
            y = y + bias.unsqueeze(1)
        return y.unflatten(2, places.shape[4:])  # (B, O, H', W')

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        patches, weight = ctx.saved_tensors
        grad = grad.flatten(2)  # (B, O, H', W') -> (B, O, P)
        grad_weight = (grad @ patches.mT).sum(dim=0).reshape(weight.shape)  # every image and every place adds its part
        grad_bias = grad.sum(dim=(0, 2)) if ctx.needs_input_grad[2] else None
        grad_x = None
        if ctx.needs_input_grad[0]:  # the first layer's images have no use for one
            grad_patches = (weight.flatten(1).T @ grad).reshape(ctx.windows_shape)  # (B, F, P) -> (B, C, K, K, H', W')
            grad_x = unpad(add_windows(grad_patches, ctx.padded_shape, ctx.stride), ctx.padding)
        return grad_x, grad_weight, grad_bias, None, None  # stride and padding are no variables


def pad(x: Tensor, padding: int) -> Tensor:
    """A frame of zeros around the image: (B, C, H, W) -> (B, C, H + 2 padding, W + 2 padding)."""
    batch, channels, height, width = x.shape
    padded = x.new_zeros(batch, channels, height + 2 * padding, width + 2 * padding)
    unpad(padded, padding).copy_(x)
    return padded


def unpad(x: Tensor, padding: int) -> Tensor:
    """The image in its frame, where it lies."""
    _, _, height, width = x.shape
    return x[:, :, padding : height - padding, padding : width - padding]


class Conv2d(nn.Module):
    """(B, C, H, W) -> (B, O, H', W'), H' = (H + 2 padding - K) // stride + 1, as `torch.nn.Conv2d` with square windows.

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: K, the side of a window in pixels.
        stride: pixels from one window to the next.
        padding: width of the frame of zeros around the image, in pixels.
        bias: add a learnt value to each output channel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.stride, self.padding = stride, padding
        fan_in = in_channels * kernel_size**2
        self.weight = nn.Parameter(uniform((out_channels, in_channels, kernel_size, kernel_size), fan_in))
        self.bias = nn.Parameter(uniform((out_channels,), fan_in)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return Conv2dFunction.apply(x, self.weight, self.bias, self.stride, self.padding)
