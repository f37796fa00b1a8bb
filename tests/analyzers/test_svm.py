"""The support vector machine against another solver, and where the answer is known."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from zoo_analyzers.interfacegan.svm import fit

from zoo import CapabilityError


def clouds(seed: int, gap: float, count: int = 40, dim: int = 3) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    random = np.random.default_rng(seed)
    signs = np.repeat([-1.0, 1.0], count)
    samples = random.normal(size=(2 * count, dim))
    samples[:, 0] += gap * signs
    return samples, signs


def by_dual(points: NDArray[np.float64], signs: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
    """Solve the dual: max Σα − ½ αᵀ(Y K Y + I/2C) α with α ≥ 0 and yᵀα = 0; its w is Σ αᵢ yᵢ xᵢ."""
    signed = points * signs[:, None]
    matrix = signed @ signed.T + np.eye(len(points)) / (2 * penalty)
    found = minimize(
        lambda alpha: (0.5 * alpha @ matrix @ alpha - alpha.sum(), matrix @ alpha - 1),
        np.full(len(points), 0.1),
        jac=True,
        method="SLSQP",
        bounds=[(0, None)] * len(points),
        constraints={"type": "eq", "fun": lambda alpha: signs @ alpha, "jac": lambda alpha: signs},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    weights: NDArray[np.float64] = signed.T @ found.x
    return weights


@pytest.mark.parametrize("gap", [0.3, 3.0], ids=["overlapping", "apart"])
@pytest.mark.parametrize("penalty", [0.01, 1.0])
def test_the_primal_finds_what_the_dual_finds(gap: float, penalty: float) -> None:
    samples, signs = clouds(0, gap)
    found = fit(samples, signs, penalty)
    wanted = by_dual((samples - samples.mean(axis=0)) / np.sqrt(samples.var(axis=0).mean()), signs, penalty)
    assert found.normal @ wanted / np.linalg.norm(wanted) > 1 - 1e-8  # SLSQP stops at 1e-14 of the objective


def test_the_margin_of_two_points_lies_in_their_middle() -> None:
    found = fit(np.array([[1.0, 1.0], [3.0, 1.0]]), np.array([-1.0, 1.0]), 1e3)
    np.testing.assert_allclose(found.normal, [1, 0], atol=1e-6)
    np.testing.assert_allclose(found.distances(np.array([[2.0, 5.0], [4.0, 0.0]])), [0, 2], atol=1e-6)


def test_scale_and_place_of_the_codes_do_not_matter() -> None:
    samples, signs = clouds(1, 0.5)
    plain, moved = fit(samples, signs, 1.0), fit(100 * samples + 7, signs, 1.0)
    np.testing.assert_allclose(moved.normal, plain.normal, atol=1e-6)
    np.testing.assert_allclose(moved.distances(100 * samples + 7), 100 * plain.distances(samples), atol=1e-3)
    assert plain.accuracy(samples, signs) == moved.accuracy(100 * samples + 7, signs)


def test_what_has_no_boundary() -> None:
    with pytest.raises(ValueError, match="both signs"):
        fit(np.zeros((3, 2)), np.ones(3), 1.0)
    with pytest.raises(ValueError, match="differ"):
        fit(np.zeros((2, 2)), np.array([-1.0, 1.0]), 1.0)


def test_without_scikit_learn_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo_analyzers.interfacegan.svm.LinearSVC", None)
    with pytest.raises(CapabilityError, match=r"pip install 'latent-zoo\[interfacegan\]'"):
        fit(np.zeros((2, 2)), np.array([-1.0, 1.0]), 1.0)
