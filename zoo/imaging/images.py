"""From tensors to pictures: the only place where pixel values are clamped."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

GAP = 2
"""Pixels between two pictures that stand side by side."""

INK = (40, 40, 40)
PAPER = (255, 255, 255)
"""The colours of text and ground on sheets."""

_SMALLEST_TILE = 128
_LARGEST_TILE = 256
_GROUP_GAP = 14
_HEADER = 26
_LABEL = 132
_OUTLINE = (255, 210, 0)


@dataclass(frozen=True, eq=False)
class OutlinedImage:
    """One picture of a sheet: pixels (h, w, 3) uint8, and a mask (h, w) whose border is drawn over it, or None."""

    pixels: Tensor
    outline: NDArray[np.bool_] | None = None


def to_pixels(images: Tensor) -> Tensor:
    """Turn images (…, 3, h, w) in [-1, 1] into pixels (…, h, w, 3) uint8, clamping what lies outside."""
    scaled = images.detach().cpu().to(torch.float32) + 1  # the one copy; the rest is done in its place
    return scaled.mul_(127.5).round_().clamp_(0, 255).to(torch.uint8).movedim(-3, -1)


def to_picture(tile: OutlinedImage, side: int | None = None) -> Image.Image:
    """Make a Pillow image of a tile, its longer side scaled to `side` pixels (by default, small ones are enlarged)."""
    image = Image.fromarray(tile.pixels.numpy())
    longer = max(image.size)
    side = side or shown_side(longer)
    if side != longer:
        size = (round(image.width * side / longer), round(image.height * side / longer))
        image = image.resize(size, Image.Resampling.LANCZOS)
    if tile.outline is not None:
        _draw_outline(image, tile.outline)
    return image


def shown_side(longer: int) -> int:
    """Say how long, in pixels, the longer side of a picture is made where it is shown."""
    return min(max(longer, _SMALLEST_TILE), _LARGEST_TILE)


def save_sheet(
    path: Path,
    rows: Sequence[Sequence[OutlinedImage]],
    names: Sequence[str],
    headers: Sequence[str],
    *,
    group: int | None = None,
) -> None:
    """Write a PNG: a row of tiles under each other with a name on the left, and headers on top.

    With `group`, columns stand in groups of that many with a gap between, one header a group; otherwise one a column.
    """
    tiles = [[to_picture(tile) for tile in row] for row in rows]
    width, height = tiles[0][0].size
    columns = len(tiles[0])
    lefts = [_LABEL + i * (width + GAP) + (i // group if group else 0) * _GROUP_GAP for i in range(columns)]
    sheet = Image.new("RGB", (lefts[-1] + width, _HEADER + len(tiles) * (height + GAP)), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(14)
    for place, header in enumerate(headers):
        draw.text((lefts[place * (group or 1)], 5), header, fill=INK, font=font)
    for index, (row, name) in enumerate(zip(tiles, names, strict=True)):
        top = _HEADER + index * (height + GAP)
        draw.multiline_text((6, top + 6), name, fill=INK, font=font, spacing=5)
        for left, image in zip(lefts, row, strict=True):
            sheet.paste(image, (left, top))
    sheet.save(path, "PNG")


def save_grid(path: Path, pixels: Tensor, columns: int = 8) -> None:
    """Write a PNG of pictures (n, h, w, 3) uint8 side by side, row by row."""
    width, height = to_picture(OutlinedImage(pixels[0])).size
    columns = min(columns, len(pixels))
    rows = -(-len(pixels) // columns)
    grid = Image.new("RGB", (columns * (width + GAP) - GAP, rows * (height + GAP) - GAP), PAPER)
    for index, image in enumerate(pixels):
        grid.paste(
            to_picture(OutlinedImage(image)), ((index % columns) * (width + GAP), (index // columns) * (height + GAP))
        )
    grid.save(path, "PNG")


def data_url(image: Image.Image, kind: str = "png", **options: Any) -> str:
    """Encode a picture as a ``data:`` address, for a page that holds everything it shows; `options` are Pillow's."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def sprite(frames: Tensor) -> Image.Image:
    """Put frames (f, h, w, 3) uint8 side by side without a gap, so that a page can show one at a time."""
    return Image.fromarray(torch.cat(list(frames), dim=1).numpy())


def strip(tiles: Sequence[OutlinedImage], side: int | None = None) -> Image.Image:
    """Put tiles side by side in one picture, each with its longer side scaled to `side` pixels; see `to_picture`."""
    pictures = [to_picture(tile, side) for tile in tiles]
    width, height = pictures[0].size
    sheet = Image.new("RGB", (len(pictures) * (width + GAP) - GAP, height), PAPER)
    for place, picture in enumerate(pictures):
        sheet.paste(picture, (place * (width + GAP), 0))
    return sheet


def _draw_outline(image: Image.Image, mask: NDArray[np.bool_]) -> None:
    """Draw the border of a mask over an enlarged or reduced image, along the edges of the original pixels."""
    draw = ImageDraw.Draw(image)
    tall, wide = image.height / mask.shape[0], image.width / mask.shape[1]
    padded = np.pad(mask, 1)
    for row, column in np.argwhere(padded[1:, :] != padded[:-1, :]):
        if 0 < column <= mask.shape[1]:
            y = min(round(row * tall), image.height - 1)
            draw.line([((column - 1) * wide, y), (column * wide, y)], fill=_OUTLINE)
    for row, column in np.argwhere(padded[:, 1:] != padded[:, :-1]):
        if 0 < row <= mask.shape[0]:
            x = min(round(column * wide), image.width - 1)
            draw.line([(x, (row - 1) * tall), (x, row * tall)], fill=_OUTLINE)
