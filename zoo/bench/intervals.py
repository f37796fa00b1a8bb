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

    Attributes:
        mean: The mean over repetitions; NaN where there is none.
        half_width: Half of the width of its 95 % interval; None for a single repetition.
        count: The number of repetitions.
    """

    mean: float
    half_width: float | None
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure:
        """Summarise the values of some repetitions; those that are not finite are left out.

        Args:
            values: A value for each repetition.

        Returns:
            Their mean and interval.
        """
        values = [value for value in values if math.isfinite(value)]
        count = len(values)
        if not count:
            return cls(math.nan, None, 0)
        mean = sum(values) / count
        if count == 1:
            return cls(mean, None, 1)
        spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1))
        quantile = _STUDENT[count - 2] if count - 2 < len(_STUDENT) else _NORMAL
        return cls(mean, quantile * spread / math.sqrt(count), count)

    @property
    def ends(self) -> tuple[float, float]:
        """The ends of the interval; the mean twice where there is none."""
        width = self.half_width or 0.0
        return self.mean - width, self.mean + width

    def text(self) -> str:
        """Write mean and half width.

        Returns:
            Text such as ``12 ± 1.5``; a dash where there is no mean.
        """
        if math.isnan(self.mean):
            return "–"
        return _digits(self.mean) + ("" if self.half_width is None else f" ± {_digits(self.half_width)}")

    def as_json(self) -> dict[str, Any]:
        """Return plain values.

        Returns:
            ``mean``, ``interval`` and ``repetitions``; None for what does not exist.
        """
        known = math.isfinite(self.mean)
        return {
            "mean": self.mean if known else None,
            "interval": list(self.ends) if known and self.half_width is not None else None,
            "repetitions": self.count,
        }


def _digits(value: float) -> str:
    """Write two significant digits without an exponent; less than 0.0001 is 0."""
    if value == 0:
        return "0"
    return f"{value:.2g}".replace("-", "−") if 0.0001 <= abs(value) < 100 else f"{value:.0f}".replace("-", "−")
