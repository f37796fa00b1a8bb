"""From a network's numbers to the pixels of pictures: the only place where images are clamped to be shown."""

from __future__ import annotations

from PIL import Image
from torch import Tensor


def to_pixels(images: Tensor) -> Tensor:
    """Turn a network's images into pixels, clamping values that lie outside.

    Args:
        images: (…, channels, h, w), nominally in [-1, 1].

    Returns:
        (…, h, w, channels), uint8, on the CPU: round(127.5 (x + 1)), clamped to 0 … 255.
    """
    scaled = images.detach().cpu().float() + 1  # this makes the only copy; the rest is in place
    return scaled.mul_(127.5).round_().clamp_(0, 255).byte().movedim(-3, -1)


def to_image(pixels: Tensor) -> Image.Image:
    """Make a Pillow image of pixels as they are.

    Args:
        pixels: (h, w, c), uint8.

    Returns:
        The image, of mode ``L``, ``RGB`` or ``RGBA``.
    """
    return Image.fromarray(pixels.squeeze(-1).numpy() if pixels.shape[-1] == 1 else pixels.numpy())
