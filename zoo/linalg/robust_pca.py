"""Principal component pursuit: split a symmetric matrix M into a low-rank and a sparse part, M = L + S.

The problem is that of Candès, Li, Ma & Wright, "Robust Principal Component Analysis?" (2011):
minimise ‖L‖_* + λ Σ|S|. `rpca` solves it; `rpca_lowrankgan_admm` runs the loop of the released LowRankGAN code.
Every iterate is symmetric, so that an eigensolver suffices: singular values are the magnitudes of eigenvalues.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo._utils.progress import Progress, silent
from zoo.linalg.symmetric import fix_signs, numerical_rank

PUBLISHED_LAMBDA = 1 / 60  # weight of the sparse part in the released LowRankGAN code, whose d is 512

_RELAXATION = 1.8  # of Douglas–Rachford splitting, between 0 and 2
_BALANCE_EVERY = 10  # rounds between adaptations of γ
_BALANCE_UNTIL = 150  # the last round that adapts it, since convergence is proven for a fixed γ


@dataclass(frozen=True, eq=False)
class Decomposition:
    """A low-rank part L and a sparse part S.

    Attributes:
        low_rank: L, (d, d), symmetric, not necessarily positive semi-definite.
        sparse: S, (d, d).
        basis: The eigenvectors of L as rows, (d, d), strongest first.
        values: Their eigenvalues, (d,), by descending magnitude.
        rank: The rank of L: the number of leading rows that belong to it.
        rounds: Number of iterations.
        converged: Whether the criterion to stop was met.
    """

    low_rank: Tensor
    sparse: Tensor
    basis: Tensor
    values: Tensor
    rank: int
    rounds: int
    converged: bool


@dataclass(frozen=True, eq=False)
class OptimalDecomposition(Decomposition):
    """A feasible pair, S = M − L, with a proven bound on how far it is from optimal.

    Attributes:
        primal: Its objective ‖L‖_* + λ Σ|S|.
        dual: A lower bound of the objective of every feasible pair.
    """

    primal: float
    dual: float

    @property
    def gap(self) -> float:
        """The relative duality gap: at most this share of the objective could still be saved."""
        return (self.primal - self.dual) / self.primal if self.primal > 0 else 0.0


def default_lambda(dim: int) -> float:
    """Return λ = 0.377 / √d: the released 1/60 at d = 512, and proportional to 1/√d as the theory asks.

    Args:
        dim: Size of the matrix, d.

    Returns:
        The weight of the sparse part.
    """
    return 0.377 / math.sqrt(dim)


def rpca(
    matrix: Tensor,
    *,
    weight: float | None = None,
    tolerance: float = 1e-6,
    max_rounds: int = 5000,
    progress: Progress = silent,
) -> OptimalDecomposition:
    """Minimise ‖L‖_* + λ Σ|M − L| over symmetric L, to a given relative duality gap.

    The method is over-relaxed Douglas–Rachford splitting (Eckstein & Bertsekas 1992), which is ADMM in the variable
    Z = L + γ Y: L shrinks the eigenvalues of Z by γ, the multiplier Y = (Z − L) / γ then has ‖Y‖₂ ≤ 1, and Z moves
    towards L + γ Y', where Y' has |Y'_ij| ≤ λ.

    Args:
        matrix: M, (d, d), symmetric, not necessarily positive semi-definite. The result scales with it.
        weight: λ; None takes `default_lambda`.
        tolerance: The relative duality gap at which to stop.
        max_rounds: Number of iterations after which to stop in any case.
        progress: Told how far the gap has come.

    Returns:
        The best pair of all iterations. Its rank counts the eigenvalues that the last shrinkage left. Where
        `max_rounds` did not suffice, `converged` is False, and its gap still holds.
    """
    matrix = matrix.to(torch.float64)
    scale = float(torch.linalg.matrix_norm(matrix))
    if scale == 0:
        return _zero_optimum(matrix)
    unit = matrix / scale
    bound = default_lambda(len(matrix)) if weight is None else weight
    gamma = 5 * float(unit.abs().mean())
    Z = unit
    previous: tuple[Tensor, Tensor] | None = None
    primal, dual, gap = math.inf, 0.0, math.inf
    rounds = 0
    while gap > tolerance and rounds < max_rounds:
        shrunk = _shrink_eigenvalues(Z, gamma)
        L = shrunk.matrix
        Y = (Z - L) / gamma
        objective = float(shrunk.values.abs().sum() + bound * (unit - L).abs().sum())
        if objective < primal:
            primal, best = objective, shrunk
        dual = max(dual, _lower_bound(unit, Y, bound))
        gap = (primal - dual) / primal
        rounds += 1
        progress(min(_decades(gap, tolerance), 99), 100, f"pursuit, to a gap of {tolerance:g}")
        if rounds % _BALANCE_EVERY == 0 and rounds <= _BALANCE_UNTIL:
            gamma = _balance(gamma, previous, (L, Y))
            previous = L, Y
        # S = M − L shrunk by γ λ leaves γ Y' = clamp(M − L + γ Y, ±γ λ); Z ← L + γ Y + 1.8 (γ Y' − γ Y)
        bounded = (unit - L + gamma * Y).clamp(-gamma * bound, gamma * bound)
        Z = L + (1 - _RELAXATION) * gamma * Y + _RELAXATION * bounded
    progress(100, 100, f"pursuit, to a gap of {tolerance:g}")
    low_rank = best.matrix * scale
    values, basis = best.sorted()
    return OptimalDecomposition(
        low_rank=low_rank,
        sparse=matrix - low_rank,
        basis=basis,
        values=values * scale,
        rank=int((values != 0).sum()),
        rounds=rounds,
        converged=gap <= tolerance,
        primal=primal * scale,
        dual=dual * scale,
    )


def _zero_optimum(matrix: Tensor) -> OptimalDecomposition:
    """Split a zero matrix."""
    basis = torch.eye(len(matrix)).to(matrix)
    return OptimalDecomposition(matrix, matrix, basis, matrix[0], 0, 0, True, primal=0.0, dual=0.0)


def _lower_bound(matrix: Tensor, multiplier: Tensor, bound: float) -> float:
    """Bound the objective from below by ⟨M, Y⟩ for a Y with ‖Y‖₂ ≤ 1 and |Y_ij| ≤ λ, the dual problem's conditions.

    A multiplier with ‖Y‖₂ ≤ 1 meets both in two ways: scaled as a whole by λ / max|Y_ij|, or cut at λ and then scaled
    by 1 / (1 + ‖what was cut‖_F), since ‖cut Y‖₂ ≤ ‖Y‖₂ + ‖what was cut‖_F. The larger bound counts.
    """
    cut = multiplier.clamp(-bound, bound)
    scaled = (matrix * multiplier).sum() / (multiplier.abs().max() / bound).clamp(min=1)
    return float(torch.maximum(scaled, (matrix * cut).sum() / (1 + torch.linalg.matrix_norm(multiplier - cut))))


def _balance(gamma: float, previous: tuple[Tensor, Tensor] | None, current: tuple[Tensor, Tensor]) -> float:
    """Move γ to the geometric mean of itself and ‖ΔL‖ / ‖ΔY‖, by a factor of 3 at most.

    Any fixed γ converges. At the balanced one L and γ Y change equally fast, so that neither half of the problem slows
    the other down.
    """
    if previous is None:
        return gamma
    change_L, change_Y = (float(torch.linalg.matrix_norm(b - a)) for a, b in zip(previous, current, strict=True))
    if change_L == 0 or change_Y == 0:
        return gamma
    return gamma * min(max(math.sqrt(change_L / (gamma * change_Y)), 1 / 3), 3.0)


def _decades(gap: float, tolerance: float) -> int:
    """Return how far the gap has come from 1 to the tolerance on a logarithmic scale, in hundredths."""
    return int(100 * min(max(math.log(max(gap, tolerance)) / math.log(tolerance), 0.0), 1.0))


def rpca_lowrankgan_admm(
    matrix: Tensor,
    *,
    weight: float = PUBLISHED_LAMBDA,
    tolerance: float = 1e-7,
    max_rounds: int = 10_000,
    progress: Progress = silent,
) -> Decomposition:
    """Split a matrix M into L + S by the fixed-penalty ADMM of the released LowRankGAN code.

    With μ = d² / (4 ‖M‖₁), ‖·‖₁ the induced norm, each round soft-thresholds singular values by 1/μ and entries by
    λ/μ, and then updates the multiplier. It stops once ‖L + S − M‖_F ≤ `tolerance` ‖M‖_F. That criterion is
    feasibility, not optimality: in general L does not minimise ‖L‖_* + λ Σ|S|. It is kept for parity.

    Args:
        matrix: M, (d, d), symmetric.
        weight: λ.
        tolerance: The relative residual at which to stop.
        max_rounds: Number of iterations after which to stop in any case.
        progress: Told how many iterations are done.

    Returns:
        The pair of the last iteration.
    """
    matrix = matrix.to(torch.float64)
    if not bool(matrix.any()):
        return Decomposition(matrix, matrix, torch.eye(len(matrix)).to(matrix), matrix[0], 0, 0, True)
    inverse_mu = 4 * float(torch.linalg.matrix_norm(matrix, ord=1)) / matrix.numel()
    max_residual = tolerance * float(torch.linalg.matrix_norm(matrix))
    # The multiplier over μ is what the second threshold cuts off: one matrix carries both S = rest − cut and it.
    point = matrix
    cut = torch.zeros_like(matrix)
    previous = torch.empty_like(matrix)
    rounds = 0
    residual = math.inf
    while residual > max_residual and rounds < max_rounds:
        low_rank = _shrink_eigenvalues(point, inverse_mu)
        rest = low_rank.subtracted_from(matrix + cut)
        cut, previous = torch.clamp(rest, -weight * inverse_mu, weight * inverse_mu, out=previous), cut
        point = torch.sub(matrix, rest).add_(cut, alpha=2)  # M − S + the multiplier over μ
        residual = float(torch.dist(cut, previous))  # ‖M − L − S‖_F
        rounds += 1
        if rounds % 50 == 0:
            progress(rounds, max_rounds, "pursuit rounds (it may stop early)")
    progress(max_rounds, max_rounds, "pursuit rounds (it may stop early)")
    values, basis = low_rank.sorted()
    return Decomposition(
        low_rank=low_rank.matrix,
        sparse=rest - cut,
        basis=basis,
        values=values,
        rank=numerical_rank(values.abs()),
        rounds=rounds,
        converged=residual <= max_residual,
    )


@dataclass(frozen=True, eq=False)
class _Shrunk:
    """A symmetric matrix (d, d) by its eigenvalues (d,), most of them zero, and eigenvectors as columns (d, d)."""

    values: Tensor
    columns: Tensor

    @property
    def matrix(self) -> Tensor:
        return -self.subtracted_from(torch.zeros_like(self.columns))

    def subtracted_from(self, matrix: Tensor) -> Tensor:
        """Subtract it from a matrix: one product of the eigenvectors whose eigenvalues are not zero."""
        nonzero = self.values != 0
        columns = self.columns[:, nonzero]
        return torch.addmm(matrix, columns * self.values[nonzero], columns.T, alpha=-1)

    def sorted(self) -> tuple[Tensor, Tensor]:
        """Return eigenvalues by descending magnitude, and eigenvectors as rows, signs fixed."""
        order = self.values.abs().argsort(descending=True, stable=True)
        return self.values[order], fix_signs(self.columns.T[order])


def _shrink_eigenvalues(matrix: Tensor, threshold: float) -> _Shrunk:
    """Move every eigenvalue towards zero by `threshold`, or to zero where it is nearer than that."""
    values, columns = torch.linalg.eigh(matrix)
    return _Shrunk(values - values.clamp(-threshold, threshold), columns)
