"""The boundary of an attribute: a linear support vector machine of scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo import CapabilityError

try:  # here, as importing it sets variables of the environment, which an analysis leaves alone
    from sklearn.svm import LinearSVC
except ImportError:
    LinearSVC = None

Array = NDArray[np.float64]

# LinearSVC appends a constant feature to the samples and regularises its weight too. The larger the constant, the less
# that matters: the term of the offset b is (b / 100)².
_INTERCEPT_SCALING = 100.0
_TOLERANCE = 1e-6
_LARGEST_ITERATIONS = 10_000


@dataclass(frozen=True, eq=False)
class Boundary:
    """The plane w·x + b = 0.

    Attributes:
        normal: w / ‖w‖ (dim,); it points to the positive side.
        offset: b / ‖w‖.
    """

    normal: Array
    offset: float

    def distances(self, samples: Array) -> Array:
        """Compute signed distances from the plane.

        Args:
            samples: Samples (n, dim).

        Returns:
            Distances (n,), above 0 on the positive side.
        """
        distances: Array = samples @ self.normal + self.offset
        return distances

    def accuracy(self, samples: Array, signs: Array) -> float:
        """Compute the share of samples that lie on the side of their sign.

        Args:
            samples: Samples (n, dim).
            signs: Signs (n,), -1 or 1.

        Returns:
            A share in [0, 1].
        """
        return float(np.mean(np.sign(self.distances(samples)) == signs))


def fit(samples: Array, signs: Array, penalty: float) -> Boundary:
    """Fit a boundary: minimise ½ ‖w‖² + C Σ max(0, 1 − yᵢ (w·xᵢ + b))² over w and b.

    The samples are first centred and divided by the root of their mean variance, one number for all dimensions, so that
    C means the same in every latent space. The plane is transformed back exactly.

    Args:
        samples: Samples xᵢ (n, dim).
        signs: Signs yᵢ (n,), -1 or 1.
        penalty: C, above 0.

    Returns:
        The boundary.

    Raises:
        CapabilityError: scikit-learn is not installed.
        ValueError: The samples have one sign only, are all equal, or are separated by no plane.
    """
    if LinearSVC is None:
        raise CapabilityError("interfacegan needs scikit-learn: pip install 'latent-zoo[interfacegan]'")
    if set(np.unique(signs)) != {-1.0, 1.0}:
        raise ValueError("a boundary needs samples of both signs")
    mean = samples.mean(axis=0)
    scale = float(np.sqrt(samples.var(axis=0).mean()))
    if scale == 0:
        raise ValueError("a boundary needs samples that differ")
    machine = LinearSVC(
        loss="squared_hinge",
        dual=False,
        C=penalty,
        intercept_scaling=_INTERCEPT_SCALING,
        tol=_TOLERANCE,
        max_iter=_LARGEST_ITERATIONS,
        random_state=0,  # the solver of the primal draws nothing, but None would touch the global generator
    )
    machine.fit((samples - mean) / scale, signs)
    weights, offset = machine.coef_[0], float(machine.intercept_[0])
    length = float(np.linalg.norm(weights))
    if length == 0:
        raise ValueError("no plane separates anything")
    # w·(x − mean) / scale + b = 0 is, times scale / ‖w‖, n·x + (scale b / ‖w‖ − n·mean) = 0.
    normal = weights / length
    return Boundary(normal, float(scale * offset / length - normal @ mean))
