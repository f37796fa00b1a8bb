"""The normalisation of BigGAN-deep, whose stored statistics are those of the truncation that codes were drawn with."""

from math import modf

import torch
from torch import Tensor, nn

from zoo import CodesError
from zoo.nn import ConditionalNorm

STEPS = 51
"""Of how many truncations, evenly from 0 to 1, there are statistics."""
UNCUT = 1.0
"""The truncation of codes that do not say theirs: they are drawn, and normalised, as they were in training."""


class SteppedNorm(ConditionalNorm):
    """A normalisation whose mean and variance are (51, channels)."""

    def __init__(self, condition: int, channels: int, epsilon: float) -> None:
        super().__init__(condition, channels, epsilon)
        self.mean, self.variance = nn.Buffer(torch.zeros(STEPS, channels)), nn.Buffer(torch.ones(STEPS, channels))

    def statistics(self, truncation: float | None) -> tuple[Tensor, Tensor]:
        """Return mean and variance (channels,) of a truncation; None is 1. Raises `CodesError` outside of 0 to 1.

        Between two steps the released code weighs them the other way round: just above a step the next one counts. So
        does this, to the last bit, as its pictures are made so.
        """
        share, step = modf(check_truncation(truncation) / (1.0 / (STEPS - 1)))
        first = int(step)
        if share == 0:
            return self.mean[first], self.variance[first]
        mean, variance = (rows[first] * share + rows[first + 1] * (1 - share) for rows in (self.mean, self.variance))
        return mean, variance


def check_truncation(truncation: float | None) -> float:
    """Return the truncation; None is 1. Raises `CodesError` where a BigGAN-deep has no statistics of it."""
    truncation = UNCUT if truncation is None else truncation
    if not 0 <= truncation <= 1:
        raise CodesError(f"truncation {truncation:g}: a BigGAN-deep has statistics of truncations from 0 to 1")
    return truncation
