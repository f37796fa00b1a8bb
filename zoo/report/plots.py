"""The plots of a report: heat maps of where a picture changes, and the bars of a spectrum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zoo.report.viridis import VIRIDIS

_MAX_SIDE = 256


@dataclass(frozen=True, eq=False)
class HeatMap:
    """A picture of values in colours, and where the largest one is.

    Attributes:
        picture: The picture; above 256 pixels, it is reduced by averaging.
        top: The largest value that is shown; the colours run from 0 to it.
        row: The row of the original values in the middle of that place.
        column: The column.
    """

    picture: Image.Image
    top: float
    row: int
    column: int


def heat_map(values: NDArray[np.float64]) -> HeatMap:
    """Colour values linearly.

    Args:
        values: The values (height, width), none below 0.

    Returns:
        The picture and its scale.
    """
    reduced = _reduced(values)
    peak = np.unravel_index(reduced.argmax(), reduced.shape)
    top = float(reduced[peak])
    row, column = (
        int((index + 0.5) * whole / part) for index, whole, part in zip(peak, values.shape, reduced.shape, strict=True)
    )
    levels = np.round(reduced / top * 255) if top > 0 else np.zeros(reduced.shape)
    return HeatMap(_coloured(levels), top, row, column)


def colour_bar() -> Image.Image:
    """Draw the colours from the smallest value to the largest, one pixel each: 256 wide, 1 high."""
    return _coloured(np.arange(256)[None, :])


def outline_path(mask: NDArray[np.bool_]) -> str:
    """Trace the border of a mask inside the image as an SVG path.

    Args:
        mask: The mask (height, width).

    Returns:
        The path, in units of a pixel; empty for a mask without a border.
    """
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
    factor = _MAX_SIDE / max(values.shape)
    if factor >= 1:
        return values
    size = (round(values.shape[1] * factor), round(values.shape[0] * factor))
    return np.asarray(Image.fromarray(values.astype(np.float32)).resize(size, Image.Resampling.BOX), dtype=np.float64)


def _coloured(levels: NDArray[np.floating | np.integer]) -> Image.Image:
    picture = Image.fromarray(levels.astype(np.uint8))
    picture.putpalette(VIRIDIS)
    return picture


# The size of the plotting area of a spectrum, in units of the SVG.
WIDTH = 640
HEIGHT = 200

_MAX_VALUES = 1024
_MAX_DECADES = 8
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Bar:
    """The bar of one value.

    Attributes:
        x: Its left edge.
        y: Its upper edge.
        width: Its width.
        index: The index of the value, the largest first.
        value: The value.
        kept: Whether it lies within the chosen rank.
    """

    x: float
    y: float
    width: float
    index: int
    value: float
    kept: bool


@dataclass(frozen=True)
class Spectrum:
    """A plot of a spectrum.

    Attributes:
        bars: The bars, the largest value first.
        decades: The height of each power of ten, with its text.
        ticks: Positions along the lower axis, with the index of the value there.
        count: The number of values.
        shown: How many of them, the largest, are shown.
        rank: The chosen rank, if there is one.
        rank_x: Where the chosen rank ends; None without a rank, or where it lies beyond the values that are shown.
    """

    bars: tuple[Bar, ...]
    decades: tuple[tuple[float, str], ...]
    ticks: tuple[tuple[float, int], ...]
    count: int
    shown: int
    rank: int | None
    rank_x: float | None


def plot_spectrum(values: Sequence[float], rank: int | None) -> Spectrum | None:
    """Lay out a spectrum on a logarithmic axis of whole decades.

    Values of 0, and those more than eight decades below the largest, have no bar.

    Args:
        values: The values, the largest first.
        rank: How many of them were chosen; None if no rank was.

    Returns:
        The plot; None if no value is above 0.
    """
    shown = list(values[:_MAX_VALUES])
    positive = [value for value in shown if value > 0]
    if not positive:
        return None
    top = math.ceil(math.log10(max(positive)))
    bottom = max(min(math.floor(math.log10(min(positive))), top - 1), top - _MAX_DECADES)
    slot = WIDTH / len(shown)

    def height(power: float) -> float:
        return round(HEIGHT * (top - power) / (top - bottom), 2)

    bars = tuple(
        Bar(round((index + 0.1) * slot, 2), height(math.log10(value)), round(0.8 * slot, 2), index, value, kept)
        for index, value in enumerate(shown)
        if value > 10.0**bottom
        for kept in [rank is not None and index < rank]
    )
    decades = tuple((height(power), _power_of_ten(power)) for power in range(bottom, top + 1))
    ticks = tuple((round((index + 0.5) * slot, 2), index) for index in range(0, len(shown), _tick_step(len(shown))))
    rank_x = round(rank * slot, 2) if rank is not None and rank <= len(shown) else None
    return Spectrum(bars, decades, ticks, len(values), len(shown), rank, rank_x)


def _power_of_ten(power: int) -> str:
    return f"10{str(power).translate(_SUPERSCRIPTS)}"


def _tick_step(count: int) -> int:
    """Choose a round step for which there are at most six ticks."""
    return next(step for step in (1, 2, 5, 10, 20, 50, 100, 200) if count <= 6 * step)
