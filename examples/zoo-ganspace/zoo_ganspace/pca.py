"""Principal components of a stream of codes, in the memory of one covariance matrix (dim, dim) and one batch.

The activations of a linear layer have more components than a code, often 10,000, but they span no more dimensions.
Their principal components, and the regression back to codes, follow exactly from the covariance of the codes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add

import torch
from torch import Tensor

from zoo.linalg import eigenvectors, fix_signs, numerical_rank, unit_rows


@dataclass(frozen=True, eq=False)
class Moments:
    """The moments of samples, in float64.

    Attributes:
        count: the number of samples.
        mean: (dim,).
        covariance: (dim, dim), divided by `count`.

    """

    count: int
    mean: Tensor
    covariance: Tensor

    def __add__(self, other: Moments) -> Moments:
        """Merge the moments of two batches without cancellation (Chan, Golub & LeVeque 1979)."""
        count = self.count + other.count
        share = other.count / count
        shift = other.mean - self.mean
        # C = (1 - s) C₁ + s C₂ + s (1 - s) d dᵀ, with s the share of the second batch and d the shift of its mean
        within = (1 - share) * self.covariance + share * other.covariance
        between = share * (1 - share) * torch.outer(shift, shift)
        return Moments(count, self.mean + share * shift, within + between)


def moments(batches: Iterable[Tensor]) -> Moments:
    """Compute the moments of samples that come in batches.

    Args:
        batches: at least one batch (n, dim).

    Returns:
        The moments of all samples.

    """
    return reduce(add, map(_moments_of, batches))


def _moments_of(samples: Tensor) -> Moments:
    samples = samples.detach().to("cpu", torch.float64)
    mean = samples.mean(dim=0)
    centred = samples - mean
    return Moments(len(samples), mean, centred.T @ centred / len(samples))


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components.

    Attributes:
        directions: (r, dim) unit directions of codes.
        variances: (r,) the variance along each, descending.
        total: the sum of all variances.

    """

    directions: Tensor
    variances: Tensor
    total: float


def components_of_codes(drawn: Moments) -> Components:
    """Compute the principal components of codes: the eigenvectors of their covariance (section 3.1, StyleGAN).

    Args:
        drawn: the moments of the codes.

    Returns:
        The components of nonzero variance.

    """
    values, rows = eigenvectors(drawn.covariance)
    rank = numerical_rank(values)
    return Components(rows[:rank], values[:rank], float(drawn.covariance.trace()))


def components_of_activations(drawn: Moments, weight: Tensor) -> Components:
    """Compute the principal components of activations y = W c, and map them back to codes c (section 3.1, BigGAN).

    The paper takes components V of y, coordinates x = Vᵀ(y − μ), and U = argmin Σ ‖U x − (c − m)‖². With the covariance
    C = S Sᵀ of the codes, S symmetric, and Sᵀ WᵀW S = Q Λ Qᵀ: the variances are Λ, V = W S Q Λ^−½, and the normal
    equations give U = S Q Λ^−½. Its columns, scaled to unit length, are the directions. No activation is computed.

    Args:
        drawn: the moments of the codes.
        weight: (out, dim), the weight W of the layer.

    Returns:
        The components of nonzero variance.

    """
    weight = weight.detach().to("cpu", torch.float64)
    values, rows = eigenvectors(drawn.covariance)
    root = (rows.T * values.clamp(min=0).sqrt()) @ rows
    variances, rotation = eigenvectors(root @ (weight.T @ weight) @ root)  # Λ and the rows of Qᵀ
    rank = numerical_rank(variances)
    return Components(fix_signs(unit_rows(rotation[:rank] @ root)), variances[:rank], float(variances.sum()))
