"""Which data fit a net, and what to type where they do not."""

from __future__ import annotations

import math


def check_image(net_name: str, input_shape: tuple[int, ...]) -> None:
    """
    Raises:
        ValueError: an example is no image (channels, height, width).
    """
    if len(input_shape) != 3:
        raise ValueError(
            f"net={net_name} reads images (channels, height, width), but an example of these data is "
            f"{list(input_shape)}. {_as_image(input_shape)}"
        )


def check_halving(net_name: str, input_shape: tuple[int, ...], channels: list[int], kernel_size: int) -> None:
    """
    Args:
        channels: of blocks that keep the size of an image in their convolution, then halve it.

    Raises:
        ValueError: an example is no image, or cannot be halved so often; a block without channels; an even kernel.
    """
    check_image(net_name, input_shape)
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


def check_size(net_name: str, input_shape: tuple[int, ...], smallest: int, instead: str) -> None:
    """
    Args:
        smallest: height and width that the net needs, in pixels.
        instead: a sentence that says what to type for smaller images.

    Raises:
        ValueError: an image (C, H, W) is smaller.
    """
    _, height, width = input_shape
    if min(height, width) < smallest:
        raise ValueError(
            f"net={net_name} needs images of at least {smallest} x {smallest}, but these are {height} x {width}. "
            f"{instead}"
        )


def check_sequence(net_name: str, input_shape: tuple[int, ...]) -> None:
    """
    Raises:
        ValueError: an example is no sequence (steps, features).
    """
    if len(input_shape) != 2:
        raise ValueError(
            f"net={net_name} reads sequences (steps, features), but an example of these data is "
            f"{list(input_shape)}. {_as_sequence(input_shape)}"
        )


def check_stages(blocks: list[int], widths: list[int]) -> None:
    """
    Raises:
        ValueError: no stage, a stage without blocks or channels, or not as many `blocks` as `widths`.
    """
    if len(blocks) != len(widths) or min([*blocks, *widths], default=0) < 1:
        raise ValueError(
            f"net.blocks={blocks} and net.widths={widths}: one number a stage in each, and both at least 1."
        )


def _as_image(shape: tuple[int, ...]) -> str:
    if len(shape) == 2:
        return f"If it is a grey image, type data.shape=[1,{shape[0]},{shape[1]}], else use net=mlp or net=linear."
    side = math.isqrt(math.prod(shape))
    if len(shape) == 1 and side >= 4 and side**2 == shape[0]:
        return f"If it is an image row by row, type data.shape=[1,{side},{side}], else use net=mlp or net=linear."
    return "Use net=mlp or net=linear."


def _as_sequence(shape: tuple[int, ...]) -> str:
    if len(shape) == 3 and shape[0] == 1:
        return f"To read an image row by row, type data.shape=[{shape[1]},{shape[2]}]."
    if len(shape) == 3:
        return "No view of an image in colours keeps its rows together. Use net=cnn."
    if len(shape) == 1:
        return f"To read one value after another, type data.shape=[{shape[0]},1]."
    return "Use net=mlp or net=linear."
