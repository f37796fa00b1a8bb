"""Images as zoo takes them: their largest size, and what their channels stand for. Importing it is torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# Pixels of a side. Each doubling of the resolution costs the author of a file a few numbers, but the memory of whoever
# opens it four times as much.
MAX_SIDE = 2**14

# What images of so many channels are. What any other number would show, a file does not say.
CHANNELS = {1: "grey", 3: "RGB", 4: "RGBA"}

# How `as_rgb` changes images that are not RGB, in words.
SEEN_AS = {1: "grey, with three equal channels", 4: "RGBA, laid on white"}


def as_rgb(images: Tensor) -> Tensor:
    """Return images as they are seen: grey ones with three equal channels, RGBA ones laid on white.

    The alpha channel is straight (colours are not multiplied by it): −1 is transparent, 1 opaque. Like colours, it is
    not clamped, as clamping has no derivative. Whatever measures, differentiates or scores images sees these, so that
    a colour that nobody can see does not count.

    Args:
        images: (n, 1, …), (n, 3, …) or (n, 4, …), nominally in [-1, 1].

    Returns:
        (n, 3, …); RGB images are returned unchanged.

    """
    if images.shape[1] == 1:
        return images.expand(-1, 3, *images.shape[2:])
    if images.shape[1] != 4:
        return images
    opacity = (images[:, 3:] + 1) / 2
    # opacity · colour + (1 − opacity) · white, where white is 1
    return (1 - opacity).addcmul(opacity, images[:, :3])


def describe_channels(channels: int) -> str:
    """Name a number of channels.

    Args:
        channels: the number.

    Returns:
        Text such as ``4 (RGBA)``.

    """
    return f"{channels} ({CHANNELS[channels]})" if channels in CHANNELS else str(channels)
