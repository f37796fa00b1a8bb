"""The layout of a spectrum's plot: bars on a logarithmic axis, decades, ticks and the chosen rank."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

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
