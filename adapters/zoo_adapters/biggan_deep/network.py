"""The normalisation of BigGAN-deep, whose stored statistics depend on the truncation that codes were drawn with."""

from math import modf

import torch
from torch import Tensor, nn

from zoo import CodesError
from zoo.nn import ConditionalNorm

# Statistics are stored for so many truncations, evenly spaced from 0 to 1.
STEPS = 51

# Codes without a truncation are drawn, and normalised, as in training.
NO_TRUNCATION = 1.0


class TruncationNorm(ConditionalNorm):
    """A normalisation whose mean and variance are (51, channels): a row for each truncation.

    Args:
        condition_dim: numbers of the condition; 0 for a normalisation that reads none.
        channels: channels of the maps.
        epsilon: what is added to variances.
    """

    def __init__(self, condition_dim: int, channels: int, epsilon: float) -> None:
        super().__init__(condition_dim, channels, epsilon)
        self.mean = nn.Buffer(torch.zeros(STEPS, channels))
        self.variance = nn.Buffer(torch.ones(STEPS, channels))

    def statistics(self, truncation: float | None) -> tuple[Tensor, Tensor]:
        """Return the statistics of a truncation, interpolated between the two nearest rows.

        Args:
            truncation: from 0 to 1; None for 1.

        Returns:
            Mean and variance, (channels,) each.

        Raises:
            CodesError: for a truncation out of range.
        """
        fraction, step = modf(check_truncation(truncation) / (1.0 / (STEPS - 1)))
        row = int(step)
        if fraction == 0:
            return self.mean[row], self.variance[row]
        # The released code swaps the weights of the two rows: just above a step, the next row counts most. Its images
        # are made that way, so the same is done here.
        mean, variance = (rows[row] * fraction + rows[row + 1] * (1 - fraction) for rows in (self.mean, self.variance))
        return mean, variance


def check_truncation(truncation: float | None) -> float:
    """Require a truncation for which there are statistics.

    Args:
        truncation: from 0 to 1; None for 1.

    Returns:
        The truncation.

    Raises:
        CodesError: for a truncation out of range.
    """
    truncation = NO_TRUNCATION if truncation is None else truncation
    if not 0 <= truncation <= 1:
        raise CodesError(f"truncation {truncation:g}: a BigGAN-deep has statistics of truncations from 0 to 1")
    return truncation
