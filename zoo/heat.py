"""Heat maps: where a picture changes, in the colours of matplotlib, and the border of a region over them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COLOURS = "viridis"
"""A perceptually uniform colour map: equal steps of the value look equally large."""

_LARGEST = 256


@dataclass(frozen=True, eq=False)
class HeatMap:
    """A picture of values (height, width) ≥ 0 in colours from 0 to `top`, and where the largest one is.

    Images above 256 pixels are reduced by averaging first; `top` is the largest value of what is then shown, and `row`
    and `column` are the pixel of the image in the middle of its place.
    """

    picture: Image.Image
    top: float
    row: int
    column: int


def heat_map(values: NDArray[np.float64]) -> HeatMap:
    """Colour values (height, width) ≥ 0 linearly."""
    reduced = _reduced(values)
    place = np.unravel_index(reduced.argmax(), reduced.shape)
    top = float(reduced[place])
    row, column = (
        int((index + 0.5) * whole / part) for index, whole, part in zip(place, values.shape, reduced.shape, strict=True)
    )
    levels = np.round(reduced / top * 255) if top > 0 else np.zeros(reduced.shape)
    return HeatMap(_coloured(levels), top, row, column)


def colour_bar() -> Image.Image:
    """Draw the colours from the smallest value to the largest, a pixel each: 256 wide, 1 high."""
    return _coloured(np.arange(256)[None, :])


def outline_path(mask: NDArray[np.bool_]) -> str:
    """Trace a mask's border inside the image (height, width) as the path of an SVG whose unit is a pixel."""
    padded = np.pad(mask, 1, mode="edge")
    inner = padded[1:-1, 1:-1]
    below = [(x, y, x + length, y) for y, x, length in _runs(inner != padded[:-2, 1:-1])]
    beside = [(x, y, x, y + length) for x, y, length in _runs((inner != padded[1:-1, :-2]).T)]
    return "".join(f"M{x} {y}L{u} {v}" for x, y, u, v in below + beside)


def _runs(edges: NDArray[np.bool_]) -> list[tuple[int, int, int]]:
    """List the unbroken runs of True in each row: (row, start, length)."""
    steps = np.diff(np.pad(edges, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    starts, ends = np.argwhere(steps == 1), np.argwhere(steps == -1)
    return [(int(row), int(start), int(end - start)) for (row, start), (_, end) in zip(starts, ends, strict=True)]


def _reduced(values: NDArray[np.float64]) -> NDArray[np.float64]:
    factor = _LARGEST / max(values.shape)
    if factor >= 1:
        return values
    size = (round(values.shape[1] * factor), round(values.shape[0] * factor))
    return np.asarray(Image.fromarray(values.astype(np.float32)).resize(size, Image.Resampling.BOX), dtype=np.float64)


def _coloured(levels: NDArray[np.floating | np.integer]) -> Image.Image:
    picture = Image.fromarray(levels.astype(np.uint8))
    picture.putpalette(_palette())
    return picture


@cache
def _palette() -> bytes:
    from matplotlib import colormaps

    table: NDArray[np.uint8] = colormaps[COLOURS](np.arange(256), bytes=True)
    return table[:, :3].tobytes()
