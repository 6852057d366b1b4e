"""Which data fit a net, and what to do where they do not."""

from __future__ import annotations

import math

from src.console.messages import UserError

FEWER_STAGES = "Use fewer stages in blocks= and widths=."
ANY_SHAPE_NET = "a net that reads any shape, such as an MLP or a linear one"


def check_image(net: str, input_shape: tuple[int, ...]) -> None:
    """Check that an example is an image.

    Args:
        net: what the user knows the net as, such as "a CNN".

    Raises:
        UserError: an example is no image (channels, height, width).
    """
    if len(input_shape) == 3 and input_shape[-1] in (1, 3, 4) and min(input_shape[:2]) > 4:
        raise UserError(
            f"{net} reads images (channels, height, width), but an example of these data is {list(input_shape)}: are "
            "the channels last? Move them: np.moveaxis(x, -1, 1)."
        )
    if len(input_shape) != 3:
        raise UserError(
            f"{net} reads images (channels, height, width), but an example of these data is "
            f"{list(input_shape)}. {_image_hint(input_shape)}"
        )


def check_halving(input_shape: tuple[int, ...], channels: list[int], kernel_size: int) -> None:
    """Check that the blocks of a CNN can halve an image, one after another.

    Args:
        channels: of each block; its convolution keeps the size of the image, its pooling halves it.

    Raises:
        UserError: an example is no image, or cannot be halved so often; a block without channels; an even kernel.
    """
    check_image("a CNN", input_shape)
    if min(channels, default=1) < 1:
        raise UserError(f"channels={channels}: a block needs at least 1 channel.")
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise UserError(f"kernel_size={kernel_size}: an odd number keeps the size of the image.")
    _, height, width = input_shape
    if min(height, width) < 2 ** len(channels):
        raise UserError(
            f"channels={channels}: each block halves the image, and {height} x {width} cannot be halved "
            f"{len(channels)} times. Use fewer blocks."
        )


def check_size(net: str, input_shape: tuple[int, ...], smallest: int, instead: str) -> None:
    """Check that an image is large enough for the net.

    Args:
        net: what the user knows the net as, such as "a ResNet".
        smallest: height and width that the net needs, in pixels.
        instead: a sentence that says what to do with smaller images.

    Raises:
        UserError: an image (C, H, W) is smaller.
    """
    _, height, width = input_shape
    if min(height, width) < smallest:
        raise UserError(
            f"{net} needs images of at least {smallest} x {smallest}, but these are {height} x {width}. {instead}"
        )


def check_sequence(net: str, input_shape: tuple[int, ...]) -> None:
    """Check that an example is a sequence.

    Args:
        net: what the user knows the net as, such as "an RNN".

    Raises:
        UserError: an example is no sequence (steps, features).
    """
    if len(input_shape) != 2:
        raise UserError(
            f"{net} reads sequences (steps, features), but an example of these data is "
            f"{list(input_shape)}. {_sequence_hint(input_shape)}"
        )


def check_stages(blocks: list[int], widths: list[int]) -> None:
    """Check that each stage of a net has blocks, and its blocks have channels.

    Raises:
        UserError: no stage, a stage without blocks or channels, or not as many `blocks` as `widths`.
    """
    if len(blocks) != len(widths) or min([*blocks, *widths], default=0) < 1:
        raise UserError(f"blocks={blocks} and widths={widths}: one number a stage in each, and both at least 1.")


def _image_hint(shape: tuple[int, ...]) -> str:
    if len(shape) == 2:
        return f"If it is a grey image, type input_shape=[1,{shape[0]},{shape[1]}], else use {ANY_SHAPE_NET}."
    side = math.isqrt(math.prod(shape))
    if len(shape) == 1 and side >= 4 and side**2 == shape[0]:
        return f"If it is an image row by row, type input_shape=[1,{side},{side}], else use {ANY_SHAPE_NET}."
    return f"Use {ANY_SHAPE_NET}."


def _sequence_hint(shape: tuple[int, ...]) -> str:
    if len(shape) == 3 and shape[0] == 1:
        return f"To read an image row by row, type input_shape=[{shape[1]},{shape[2]}]."
    if len(shape) == 3:
        return "No view of an image in colours keeps its rows together. Use a CNN."
    if len(shape) == 1:
        return f"To read one value after another, type input_shape=[{shape[0]},1]."
    return f"Use {ANY_SHAPE_NET}."
