"""From pixels to the pictures of sheets and pages."""

from __future__ import annotations

import base64
import io
import re
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from zoo._utils.pixels import to_image as to_image  # noqa: PLC0414 public here
from zoo._utils.pixels import to_pixels as to_pixels  # noqa: PLC0414
from zoo.errors import OptionError

# Pixels between two pictures side by side.
GAP = 2

# The background of sheets, in a form that Pillow takes for grey ones too.
PAPER = "#ffffff"

# Pixels of the longer side of a picture on a sheet.
_MIN_TILE = 128
_MAX_TILE = 256

# The word for the size in which a network draws, and the pixels of a side that may be asked for instead.
NATIVE = "native"
_LEAST_SIDE = 16
_MOST_SIDE = 8192

_OUTLINE_COLOUR = (255, 210, 0)

# What transparent pictures are shown on: squares of two greys, so that neither white nor black ones vanish.
_GROUND = (236, 204)
_SQUARE = 8


@dataclass(frozen=True, eq=False)
class OutlinedImage:
    """One image of a sheet.

    Attributes:
        pixels: (h, w, c), uint8: grey (c = 1), RGB (c = 3) or RGBA (c = 4).
        outline: A mask (h, w) whose border is drawn over the image, or None.
    """

    pixels: Tensor
    outline: NDArray[np.bool_] | None = None


def to_picture(tile: OutlinedImage, side: int | None = None) -> Image.Image:
    """Make the picture that a sheet shows.

    Args:
        tile: Pixels, and a mask to outline.
        side: Pixels of the longer side; None stands for `shown_side`.

    Returns:
        The scaled picture, of mode ``L`` or ``RGB``: a transparent one lies on a checked ground, and one with an
        outline is coloured.
    """
    image = scaled(to_image(tile.pixels), side)
    if image.mode == "RGBA":
        ground = _checked_ground(image.size)
        ground.paste(image, mask=image)
        image = ground
    if tile.outline is not None:
        image = image.convert("RGB")
        _draw_outline(image, tile.outline)
    return image


def scaled(image: Image.Image, side: int | None = None) -> Image.Image:
    """Scale an image to the size in which it is shown; colours of transparent pixels do not show through.

    Args:
        image: The image.
        side: Pixels of the longer side; None stands for `shown_side`.

    Returns:
        The image of that size and of the same mode.
    """
    longer = max(image.size)
    side = side or shown_side(longer)
    if side == longer:
        return image
    size = (round(image.width * side / longer), round(image.height * side / longer))
    return image.resize(size, Image.Resampling.LANCZOS)


def blank_sheet(size: tuple[int, int], modes: Collection[str]) -> Image.Image:
    """Make an empty sheet for pictures.

    Args:
        size: Width and height, in pixels.
        modes: The modes of the pictures.

    Returns:
        A white sheet, grey where all of them are, and transparent for transparent ones.
    """
    if "RGBA" in modes:
        return Image.new("RGBA", size, f"{PAPER}00")
    return Image.new("L" if set(modes) == {"L"} else "RGB", size, PAPER)


def shown_side(longer: int) -> int:
    """Return how large a picture is shown: small ones are enlarged to 128 pixels, large ones reduced to 256.

    Args:
        longer: Pixels of the longer side.

    Returns:
        Pixels of the longer side of the picture that is shown.
    """
    return min(max(longer, _MIN_TILE), _MAX_TILE)


def picture_side(size: str | int | None, longer: int) -> int:
    """Read how large pictures are to be shown.

    Args:
        size: ``native``, or pixels of the longer side; None stands for `shown_side`.
        longer: Pixels of the longer side of the pictures themselves.

    Returns:
        Pixels of the longer side in which they are shown.

    Raises:
        OptionError: If it is neither, or out of range.
    """
    if size is None:
        return shown_side(longer)
    if size == NATIVE:
        return longer
    if not re.fullmatch(r"\d{1,6}", str(size)) or not _LEAST_SIDE <= int(size) <= _MOST_SIDE:
        raise OptionError(f"--size {size}: it is {NATIVE}, or {_LEAST_SIDE} to {_MOST_SIDE} pixels")
    return int(size)


def save_picture(path: Path, pixels: Tensor) -> None:
    """Write a picture as a PNG, pixel for pixel.

    Args:
        path: The file.
        pixels: (h, w, c), uint8.
    """
    write_png(to_image(pixels), path)


def write_png(picture: Image.Image, file: Path | BinaryIO) -> None:
    """Write a picture as a PNG.

    Behind PNG's filters, smooth pictures hold runs of equal bytes and few longer repetitions, so that zlib looks for
    runs alone: sheets of the models in the box take half the time that level 4 takes, and 2 % less room.

    Args:
        picture: The picture.
        file: The file, or what is open for writing.
    """
    picture.save(file, "PNG", compress_type=zlib.Z_RLE)


def data_url(image: Image.Image, image_format: str = "png", **options: Any) -> str:
    """Encode a picture as a ``data:`` URL, for a page that holds everything it shows.

    Args:
        image: The picture.
        image_format: A format of Pillow, such as ``png`` or ``webp``.
        **options: What Pillow's `save` takes for that format.

    Returns:
        The URL.
    """
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return f"data:image/{image_format};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def sprite(frames: Tensor) -> Image.Image:
    """Put frames side by side without a gap, so that a page can show one at a time (a CSS sprite).

    Args:
        frames: (f, h, w, c), uint8.

    Returns:
        One picture, f times as wide.
    """
    return to_image(torch.cat(list(frames), dim=1))


def strip(tiles: Sequence[OutlinedImage], side: int | None = None) -> Image.Image:
    """Put images side by side in one picture.

    Args:
        tiles: The images, all of one size.
        side: Pixels of the longer side of each; see `to_picture`.

    Returns:
        The picture.
    """
    pictures = [to_picture(tile, side) for tile in tiles]
    width, height = pictures[0].size
    sheet = blank_sheet((len(pictures) * (width + GAP) - GAP, height), [picture.mode for picture in pictures])
    for index, picture in enumerate(pictures):
        sheet.paste(picture, (index * (width + GAP), 0))
    return sheet


def _checked_ground(size: tuple[int, int]) -> Image.Image:
    """Draw squares of two greys, like a chessboard."""
    columns, rows = (np.arange(length) // _SQUARE for length in size)
    squares = np.array(_GROUND, dtype=np.uint8)[(rows[:, None] + columns) % 2]
    return Image.fromarray(squares).convert("RGB")


def _draw_outline(image: Image.Image, mask: NDArray[np.bool_]) -> None:
    """Draw the border of a mask over a scaled image, along the edges of the original pixels."""
    draw = ImageDraw.Draw(image)
    y_scale = image.height / mask.shape[0]
    x_scale = image.width / mask.shape[1]
    # With a margin of False, the border runs wherever two neighbours differ, at the image's own edge too.
    padded = np.pad(mask, 1)
    for row, column in np.argwhere(padded[1:, :] != padded[:-1, :]):
        if 0 < column <= mask.shape[1]:
            y = min(round(row * y_scale), image.height - 1)
            draw.line([((column - 1) * x_scale, y), (column * x_scale, y)], fill=_OUTLINE_COLOUR)
    for row, column in np.argwhere(padded[:, 1:] != padded[:, :-1]):
        if 0 < row <= mask.shape[0]:
            x = min(round(column * x_scale), image.width - 1)
            draw.line([(x, (row - 1) * y_scale), (x, row * y_scale)], fill=_OUTLINE_COLOUR)
