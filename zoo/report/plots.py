"""What a report plots: heat maps of where a picture changes, and the bars of a spectrum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zoo.report.viridis import VIRIDIS

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
    """Recording a mask's border inside the image (height, width) as the path of an SVG whose unit is a pixel."""
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
    picture.putpalette(VIRIDIS)
    return picture


WIDTH, HEIGHT = 640, 200
"""The size of the plotting area, in units of the SVG."""


_MOST_VALUES = 1024


_MOST_DECADES = 8


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Bar:
    """One value: left edge, upper edge and width in the plot, and whether it lies within the chosen rank."""

    x: float
    y: float
    width: float
    index: int
    value: float
    kept: bool


@dataclass(frozen=True)
class Spectrum:
    """A plot of the leading `shown` of `count` values, strongest first.

    `decades` are heights of the powers of ten with their texts, `ticks` places along the lower axis with indices;
    `rank_x` is where the chosen rank ends, None without a rank or where it lies beyond the values shown.
    """

    bars: tuple[Bar, ...]
    decades: tuple[tuple[float, str], ...]
    ticks: tuple[tuple[float, int], ...]
    count: int
    shown: int
    rank: int | None
    rank_x: float | None


def plot_spectrum(values: Sequence[float], rank: int | None) -> Spectrum | None:
    """Lay out values on a logarithmic axis of whole decades, at most eight below the largest; None if none is above 0.

    Values of 0, and those below the lowest decade, have no bar.
    """
    shown = list(values[:_MOST_VALUES])
    positive = [value for value in shown if value > 0]
    if not positive:
        return None
    top = math.ceil(math.log10(max(positive)))
    bottom = max(min(math.floor(math.log10(min(positive))), top - 1), top - _MOST_DECADES)
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
