"""The mean of a figure over repetitions, and Student's interval of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# The 97.5 % quantiles of Student's t distribution for 1 to 30 degrees of freedom, and beyond.
_STUDENT = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131),
    *(2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
_NORMAL = 1.96


@dataclass(frozen=True)
class Figure:
    """A figure of one method.

    The errors of a ratio, such as a locality, grow with its size: a mean of 10 with an interval of ± 27 would say that
    it may be negative. Ratios are therefore averaged as logarithms, which gives a geometric mean.

    Attributes:
        mean: The mean over repetitions, of ratios the geometric one; NaN where there is none.
        interval: The ends of its 95 % interval; None for a single repetition.
        count: The number of repetitions.
        ratio: Whether the figures are ratios.
    """

    mean: float
    interval: tuple[float, float] | None
    count: int
    ratio: bool = False

    @classmethod
    def of(cls, values: Sequence[float], *, ratio: bool = False) -> Figure:
        """Summarise the values of some repetitions; those that are not finite are left out.

        Args:
            values: A value for each repetition.
            ratio: Whether they are ratios, which are above 0; others are left out.

        Returns:
            Their mean and interval.
        """
        if ratio:
            logs = cls.of([math.log(value) for value in values if 0 < value < math.inf])
            ends = None if logs.interval is None else (math.exp(logs.interval[0]), math.exp(logs.interval[1]))
            return cls(math.exp(logs.mean), ends, logs.count, ratio=True)
        values = [value for value in values if math.isfinite(value)]
        count = len(values)
        if not count:
            return cls(math.nan, None, 0)
        mean = sum(values) / count
        if count == 1:
            return cls(mean, None, 1)
        spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1))
        quantile = _STUDENT[count - 2] if count - 2 < len(_STUDENT) else _NORMAL
        width = quantile * spread / math.sqrt(count)
        return cls(mean, (mean - width, mean + width), count)

    def text(self) -> str:
        """Write mean and interval.

        Returns:
            Text such as ``12 ± 1.5``, of a ratio ``12 (9.5 to 15)``; a dash where there is no mean.
        """
        if math.isnan(self.mean):
            return "–"
        if self.interval is None:
            return _digits(self.mean)
        low, high = self.interval
        if self.ratio:
            return f"{_digits(self.mean)} ({_digits(low)} to {_digits(high)})"
        return f"{_digits(self.mean)} ± {_digits((high - low) / 2)}"

    def as_json(self) -> dict[str, Any]:
        """Return plain values.

        Returns:
            ``mean``, ``interval`` and ``repetitions``, and ``ratio`` where the mean is geometric; None for what does
            not exist.
        """
        known = math.isfinite(self.mean)
        return {
            "mean": self.mean if known else None,
            "interval": None if self.interval is None else list(self.interval),
            "repetitions": self.count,
            **({"ratio": True} if self.ratio else {}),
        }


def _digits(value: float) -> str:
    """Write two significant digits without an exponent; less than 0.0001 is 0."""
    if value == 0:
        return "0"
    return f"{value:.2g}".replace("-", "−") if 0.0001 <= abs(value) < 100 else f"{value:.0f}".replace("-", "−")
