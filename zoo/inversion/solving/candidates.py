"""What a search has found for a picture, and how good it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from zoo.core.codes import Codes, join
from zoo.inversion.solving.problem import Problem

# Mean squared error of 55 dB, less than what rounding to 8 bits costs (59 dB): the picture is found, not approximated.
REPRODUCED = 4 / 10**5.5
# Mean squared error of 26 dB: nearly the picture, so that it is worth while to go on.
NEAR = 4 / 10**2.6
# ‖u‖/√d above which a code is not like drawn ones any more.
FAR = 1.5


@dataclass(frozen=True, eq=False)
class Candidate:
    """A code for one picture.

    Attributes:
        coordinates: u, (dim,) or (layers, dim).
        label: Its class (), or None.
        error: The mean squared difference from the picture, of images in [-1, 1].
        value: What was minimised, with the ridge that it was found under.
        how: How it was found, in words.
        rows: ``tied`` or ``free``.
        ridge: The ridge that it was found under.
    """

    coordinates: Tensor
    label: Tensor | None
    error: float
    value: float
    how: str
    rows: str
    ridge: float

    @property
    def distance(self) -> float:
        """‖u‖/√d, about 1 for drawn codes."""
        return float(self.coordinates.square().mean().sqrt())

    @property
    def reproduces(self) -> bool:
        """Whether the picture is found, not approximated."""
        return self.error <= REPRODUCED

    def is_better_than(self, other: Candidate | None) -> bool:
        """Say whether this one is preferred under the same ridge.

        Args:
            other: A candidate for the same picture; None is worse than any.

        Returns:
            Whether its value is lower.
        """
        return other is None or self.value < other.value


def judged(problem: Problem, coordinates: Tensor, ridge: float, how: str) -> list[Candidate]:
    """Judge what was found for each picture of a problem, one at a time.

    Args:
        problem: The pictures (n).
        coordinates: One u for each.
        ridge: The ridge that they were found under.
        how: How they were found, in words.

    Returns:
        A candidate for each picture.
    """
    result = []
    rows = "free" if coordinates.ndim == 3 else "tied"
    for index, point in enumerate(coordinates):
        single = problem.take([index])
        error = float(single.squared_error(point[None]))
        value = float(single.residual(point[None]).square().sum()) / 2
        value += ridge * float(point.square().sum()) / (len(point) if point.ndim == 2 else 1)
        label = None if single.labels is None else single.labels[0]
        result.append(Candidate(point, label, error, value, how, rows, ridge))
    return result


def found_codes(problem: Problem, found: Sequence[Candidate]) -> Codes:
    """Join the codes of candidates.

    Args:
        problem: What they were found for.
        found: The candidates, at least one.

    Returns:
        The codes, on the network's device and in its dtype.
    """
    return join(
        [
            problem.prior.codes(
                one.coordinates[None], None if one.label is None else one.label[None], problem.adapter.dtype
            )
            for one in found
        ]
    )
