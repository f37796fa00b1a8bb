"""A linear support vector machine with squared hinge loss, solved in the primal (Chapelle 2007)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Array = NDArray[np.float64]

_GRADIENT = 1e-8
"""The largest entry of the gradient at which the solution is accepted, as a share of that at the start."""


@dataclass(frozen=True, eq=False)
class Boundary:
    """The plane w·x + b = 0: `normal` (dim,) has unit length and points to the positive side, `offset` is b / ‖w‖."""

    normal: Array
    offset: float

    def distances(self, samples: Array) -> Array:
        """Measure signed distances (n,) of samples (n, dim) from the plane."""
        found: Array = samples @ self.normal + self.offset
        return found

    def accuracy(self, samples: Array, signs: Array) -> float:
        """Return the share of samples on the side that their signs (n,) say."""
        return float(np.mean(np.sign(self.distances(samples)) == signs))


def fit(samples: Array, signs: Array, penalty: float) -> Boundary:
    """Minimise ½ ‖w‖² + C Σ max(0, 1 − yᵢ (w·xᵢ + b))² over w and b, for samples (n, dim) and signs yᵢ of −1 or 1.

    The objective is convex and smooth once, so that L-BFGS finds its minimum. Samples are first moved to their mean and
    scaled by one number, the root of their mean variance, so that C means the same in every latent space; a plane is
    carried back exactly. Raises `ValueError` where only one sign is there, or no plane separates anything.
    """
    if set(np.unique(signs)) != {-1.0, 1.0}:
        raise ValueError("a boundary needs samples of both signs")
    mean, scale = samples.mean(axis=0), float(np.sqrt(samples.var(axis=0).mean()))
    if scale == 0:
        raise ValueError("a boundary needs samples that differ")
    points = (samples - mean) / scale

    def objective(plane: Array) -> tuple[float, Array]:
        weights, offset = plane[:-1], plane[-1]
        slack = np.maximum(0, 1 - signs * (points @ weights + offset))
        vjp = -2 * penalty * signs * slack
        return 0.5 * weights @ weights + penalty * slack @ slack, np.append(weights + points.T @ vjp, vjp.sum())

    start = np.zeros(points.shape[1] + 1)
    smallest = _GRADIENT * float(np.abs(objective(start)[1]).max())
    options = {"gtol": smallest, "ftol": 0, "maxiter": 10_000, "maxfun": 20_000, "maxcor": 30}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options).x
    length = float(np.linalg.norm(found[:-1]))
    if length == 0:
        raise ValueError("no plane separates anything")
    normal = found[:-1] / length
    return Boundary(normal, float(scale * found[-1] / length - normal @ mean))
