"""How local a change is: the change inside a region over that outside, pooled over codes, with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.core.adapter import Adapter
from zoo.core.codes import Codes
from zoo.core.region import Region
from zoo.core.sampling import derived_generator
from zoo.editing.steps import LARGEST_STEP, VISIBLE_CHANGE, RegionChange, visible_steps

# The share of resamplings that lie within an interval, and how many are made.
_LEVEL = 0.95
_RESAMPLINGS = 2000


@dataclass(frozen=True)
class Locality:
    """How local one direction is at one step: the mean squared change inside a region over that outside.

    Attributes:
        value: The sum of the changes inside over the sum of those outside, over all codes and both ends; infinite
            where nothing outside changes, NaN where nothing changes at all.
        interval: The ends of its 95 % bootstrap interval over codes; None for a single code.
        step: How far codes were moved each way, in (0, 8].
        inside: For each code, the mean squared change inside, over both ends, for images in [-1, 1].
        outside: The same outside.
    """

    value: float
    interval: tuple[float, float] | None
    step: float
    inside: tuple[float, ...]
    outside: tuple[float, ...]

    @property
    def reached(self) -> bool:
        """Whether the step is below the largest one, 8, at which a search for a visible change ends."""
        return self.step < LARGEST_STEP

    def as_json(self) -> dict[str, Any]:
        """Return plain values.

        Returns:
            The fields by name; a number that is infinite or NaN is None.
        """
        return {
            "value": _finite(self.value),
            "interval": None if self.interval is None else [_finite(end) for end in self.interval],
            "step": self.step,
            "reached": self.reached,
            "codes": len(self.inside),
            "inside": list(self.inside),
            "outside": list(self.outside),
        }

    def text(self) -> str:
        """Write the value and its interval.

        Returns:
            Two digits of each, such as ``2.1 (1.5–3.2)``; a dash where the value is not a number.
        """
        if math.isnan(self.value):
            return "–"
        if self.interval is None:
            return _two_digits(self.value)
        return f"{_two_digits(self.value)} ({'–'.join(map(_two_digits, self.interval))})"


def measure_locality(
    adapter: Adapter,
    codes: Codes,
    vectors: Tensor,
    region: Region,
    layers: Sequence[int] | None = None,
    *,
    steps: Tensor | None = None,
    change: float = VISIBLE_CHANGE,
) -> list[Locality]:
    """Measure how local each direction is at several codes, all moved by one step both ways.

    Args:
        adapter: The network.
        codes: The codes (n).
        vectors: Unit directions (k, dim).
        region: The region; it must leave some pixels outside.
        layers: The rows of the code that are moved; None moves all.
        steps: How far each direction is moved (k,); None moves each until the region changes by `change` at the first
            code, at most 8.
        change: That mean squared change, for images in [-1, 1]: 0.02 can be seen. A small one, such as 1e-3, shows
            how local an edit is to first order.

    Returns:
        A locality for each direction.
    """
    if steps is None:
        steps = visible_steps(adapter, codes[0], vectors, region, layers, change=change)
    by_code = []
    for index in range(len(codes)):
        moved = RegionChange(adapter, codes[index], vectors, region, layers)
        ends = [torch.stack(moved.at(sign * steps), dim=1) for sign in (1.0, -1.0)]
        by_code.append((ends[0] + ends[1]) / 2)
    return pool_localities(torch.stack(by_code, dim=1), steps)


def pool_localities(changes: Tensor, steps: Tensor) -> list[Locality]:
    """Pool changes over codes, with the same resamplings of the codes for each direction.

    Args:
        changes: The mean squared change inside and outside (k, n, 2) of each direction at each code.
        steps: How far each direction was moved (k,).

    Returns:
        A locality for each direction.
    """
    count = changes.shape[1]
    weights = _resamplings(count) if count > 1 else None
    localities = []
    for by_code, step in zip(changes.to(torch.float64), steps, strict=True):
        inside, outside = by_code.sum(dim=0)
        interval = None if weights is None else _interval(weights @ by_code)
        localities.append(
            Locality(
                value=float(inside / outside),
                interval=interval,
                step=float(step),
                inside=tuple(by_code[:, 0].tolist()),
                outside=tuple(by_code[:, 1].tolist()),
            )
        )
    return localities


def _resamplings(count: int) -> Tensor:
    """Count how often each code is drawn in each resampling with replacement: (resamplings, count)."""
    generator = derived_generator(0, "resampled codes")
    drawn = torch.randint(count, (_RESAMPLINGS, count), generator=generator)
    ones = torch.ones_like(drawn, dtype=torch.float64)
    return torch.zeros(_RESAMPLINGS, count, dtype=torch.float64).scatter_add_(1, drawn, ones)


def _interval(sums: Tensor) -> tuple[float, float]:
    """Return the percentile interval (Efron & Tibshirani 1993, 13.3) of the ratios of sums (resamplings, 2)."""
    ratios = sums[:, 0] / sums[:, 1]
    ordered = ratios[~ratios.isnan()].sort().values  # NaN: nothing changes at any code that was drawn
    if not len(ordered):
        return math.nan, math.nan
    # order statistics, as values between may be infinite
    tail = round((1 - _LEVEL) / 2 * (len(ordered) - 1))
    return float(ordered[tail]), float(ordered[-1 - tail])


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _two_digits(value: float) -> str:
    return f"{value:.0f}" if 10 <= value < 1e6 else f"{value:.2g}"
