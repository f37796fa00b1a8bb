"""Principal components from a stream: memory holds a covariance (dim, dim) and one batch, however many codes there are.

Activations of a linear layer have more numbers than a code, often 10,000, but no more dimensions: their components, and
the regression back to codes, follow exactly from the covariance of the codes.
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
    """Mean (dim,) and covariance (dim, dim) of `count` samples, divided by `count`; float64."""

    count: int
    mean: Tensor
    covariance: Tensor

    def __add__(self, other: Moments) -> Moments:
        """Merge those of two batches, without cancellation (Chan, Golub & LeVeque 1979)."""
        count = self.count + other.count
        shift, share = other.mean - self.mean, other.count / count
        spread = (1 - share) * self.covariance + share * other.covariance
        return Moments(count, self.mean + share * shift, spread + share * (1 - share) * torch.outer(shift, shift))


def moments(batches: Iterable[Tensor]) -> Moments:
    """Take the moments of samples (n, dim) that come in batches, one batch at least."""
    return reduce(add, map(_moments_of, batches))


def _moments_of(samples: Tensor) -> Moments:
    samples = samples.detach().to("cpu", torch.float64)
    mean = samples.mean(dim=0)
    centred = samples - mean
    return Moments(len(samples), mean, centred.T @ centred / len(samples))


@dataclass(frozen=True, eq=False)
class Components:
    """Unit directions (r, dim) of codes, the variance (r,) of each, descending, and the variance of all together."""

    directions: Tensor
    variances: Tensor
    total: float


def components_of_codes(found: Moments) -> Components:
    """Find the principal components of codes: eigenvectors of their covariance (section 3.1, StyleGAN)."""
    values, rows = eigenvectors(found.covariance)
    rank = numerical_rank(values)
    return Components(rows[:rank], values[:rank], float(found.covariance.trace()))


def components_of_activations(found: Moments, weight: Tensor) -> Components:
    """Find the principal components of activations y = W c, and carry them back to codes c (section 3.1, BigGAN).

    The paper takes components V of y, coordinates x = Vᵀ(y − μ), and U = argmin Σ ‖U x − (c − m)‖². With the covariance
    C = S Sᵀ of the codes, S symmetric, and Sᵀ WᵀW S = Q Λ Qᵀ: the variances are Λ, V = W S Q Λ^−½, and the normal
    equations give U = S Q Λ^−½. Its columns, scaled to unit length, are the directions; no activation is ever formed.
    """
    weight = weight.detach().to("cpu", torch.float64)
    values, rows = eigenvectors(found.covariance)
    root = (rows.T * values.clamp(min=0).sqrt()) @ rows
    variances, turned = eigenvectors(root @ (weight.T @ weight) @ root)
    rank = numerical_rank(variances)
    return Components(fix_signs(unit_rows(turned[:rank] @ root)), variances[:rank], float(variances.sum()))
