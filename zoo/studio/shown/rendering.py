"""Pictures for the page: one after the other side by side, encoded as fast as they are drawn."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from zoo._utils.pixels import to_image
from zoo.imaging.images import write_png

# Pixels of the longer side up to which pictures are sent without loss. PNG takes a hundredth of the time of a network
# of such images; larger ones are sent as JPEG.
_MOST_LOSSLESS = 256
_JPEG_QUALITY = 92


@dataclass(frozen=True)
class Picture:
    """An encoded picture.

    Attributes:
        content: The file.
        media_type: What it is.
        columns: How many pictures stand side by side in it.
        exact: Whether the network drew it, and not the linear preview.
        milliseconds: How long it took.
    """

    content: bytes
    media_type: str
    columns: int
    exact: bool
    milliseconds: float


def encode(pixels: Tensor, size: int | None, began: float, *, exact: bool = True, lossless: bool = False) -> Picture:
    """Put pictures side by side and encode them.

    Args:
        pixels: (n, h, w, channels), uint8.
        size: Pixels of the longer side of each picture; larger ones are reduced, smaller ones are not enlarged.
        began: When the work began, by `time.perf_counter`.
        exact: Whether the network drew them.
        lossless: Whether large pictures are sent without loss too.

    Returns:
        The picture.
    """
    pixels = _reduced(pixels, size)
    longer = max(pixels.shape[1:3])
    atlas = to_image(torch.cat(list(pixels), dim=1))
    buffer = io.BytesIO()
    if lossless or longer <= _MOST_LOSSLESS or atlas.mode == "RGBA":  # JPEG knows no transparency
        write_png(atlas, buffer)
        media_type = "image/png"
    else:
        atlas.save(buffer, "JPEG", quality=_JPEG_QUALITY)
        media_type = "image/jpeg"
    return Picture(buffer.getvalue(), media_type, len(pixels), exact, 1000 * (time.perf_counter() - began))


def _reduced(pixels: Tensor, size: int | None) -> Tensor:
    """Reduce pictures by area, so that none of their pixels is passed over."""
    height, width = pixels.shape[1:3]
    if size is None or max(height, width) <= size:
        return pixels
    scale = size / max(height, width)
    target = (max(1, round(width * scale)), max(1, round(height * scale)))
    pictures = [to_image(one).resize(target, Image.Resampling.BOX) for one in pixels]
    return torch.stack([_from_image(picture) for picture in pictures])


def _from_image(picture: Image.Image) -> Tensor:
    flat = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    return flat.view(picture.height, picture.width, -1)
