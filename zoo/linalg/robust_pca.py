"""Principal component pursuit: split a symmetric M into a low-rank and a sparse part, M = L + S.

The problem is that of Candès, Li, Ma & Wright, "Robust Principal Component Analysis?" (2011):
minimise ‖L‖_* + λ Σ|S|. `rpca` solves it; `rpca_lowrankgan_admm` runs the loop of the released LowRankGAN code.
Every iterate is symmetric, so that an eigensolver serves: singular values are magnitudes of eigenvalues.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo._utils.progress import Progress, silent
from zoo.linalg.symmetric import fix_signs, numerical_rank

PUBLISHED_LAMBDA = 1 / 60
"""Weight of the sparse part in the released LowRankGAN code; the constant belongs to d = 512."""

_RELAXATION = 1.8
_BALANCE_EVERY, _BALANCE_UNTIL = 10, 150


@dataclass(frozen=True, eq=False)
class Decomposition:
    """A low-rank part L and a sparse part S (d, d), found in `rounds` rounds.

    `basis` (d, d) are eigenvectors of L as rows, strongest first, the `rank` leading ones being those of L; `values`
    (d,) are their eigenvalues, sorted by magnitude, for L need not be positive semi-definite.
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
    """A feasible pair, S = M − L, with its objective `primal` and a proven lower bound `dual` of the least one."""

    primal: float
    dual: float

    @property
    def gap(self) -> float:
        """The relative duality gap: no more than this share of the objective could still be saved."""
        return (self.primal - self.dual) / self.primal if self.primal > 0 else 0.0


def default_lambda(dim: int) -> float:
    """Return λ = 0.377 / √d: the released 1/60 at d = 512, and of the order 1/√d that the theory asks for."""
    return 0.377 / math.sqrt(dim)


def rpca(
    matrix: Tensor,
    *,
    weight: float | None = None,
    tolerance: float = 1e-6,
    max_rounds: int = 5000,
    progress: Progress = silent,
) -> OptimalDecomposition:
    """Minimise ‖L‖_* + λ Σ|M − L| over symmetric L, to a relative duality gap of `tolerance`.

    M (d, d) is symmetric, not necessarily positive semi-definite; λ is `weight`, by default 0.377/√d. The result scales
    with M. The rank counts the eigenvalues that the last shrinkage left. If `max_rounds` do not suffice, the best pair
    found is returned with `converged=False`, and its gap still holds.

    Over-relaxed Douglas–Rachford splitting (ADMM in one variable, Z = L + γ Y): L shrinks the eigenvalues of Z by γ,
    the multiplier Y = (Z − L) / γ then has ‖Y‖₂ ≤ 1, and Z moves towards L + γ Y', Y' having |Y'_ij| ≤ λ.
    """
    matrix = matrix.to(torch.float64)
    scale = float(torch.linalg.matrix_norm(matrix))
    if scale == 0:
        return OptimalDecomposition(
            matrix, matrix, torch.eye(len(matrix)).to(matrix), matrix[0], 0, 0, True, primal=0.0, dual=0.0
        )
    unit, bound = matrix / scale, default_lambda(len(matrix)) if weight is None else weight
    step, point, before = 5 * float(unit.abs().mean()), unit, None
    primal, dual, rounds, gap = math.inf, 0.0, 0, math.inf
    while gap > tolerance and rounds < max_rounds:
        part = _shrink_eigenvalues(point, step)
        low_rank = part.matrix
        multiplier = (point - low_rank) / step
        objective = float(part.values.abs().sum() + bound * (unit - low_rank).abs().sum())
        if objective < primal:
            primal, best = objective, part
        dual = max(dual, _lower_bound(unit, multiplier, bound))
        gap, rounds = (primal - dual) / primal, rounds + 1
        progress(min(_decades(gap, tolerance), 99), 100, f"pursuit, to a gap of {tolerance:g}")
        if rounds % _BALANCE_EVERY == 0 and rounds <= _BALANCE_UNTIL:
            step, before = _balanced(step, before, (low_rank, multiplier)), (low_rank, multiplier)
        rest = unit - low_rank + step * multiplier
        bounded = rest.clamp(-step * bound, step * bound)
        point = low_rank + (1 - _RELAXATION) * step * multiplier + _RELAXATION * bounded
    progress(100, 100, f"pursuit, to a gap of {tolerance:g}")
    found, values, basis = best.matrix * scale, *best.sorted()
    rank = int((values != 0).sum())
    return OptimalDecomposition(
        found, matrix - found, basis, values * scale, rank, rounds, gap <= tolerance, primal * scale, dual * scale
    )


def _lower_bound(matrix: Tensor, multiplier: Tensor, bound: float) -> float:
    """Bound the objective from below by ⟨M, Y⟩ for a Y with ‖Y‖₂ ≤ 1 and |Y_ij| ≤ λ, the dual problem's conditions.

    A multiplier with ‖Y‖₂ ≤ 1 is made to meet both in two ways: scaled as a whole, or cut at λ and then scaled by
    1 / (1 + ‖what was cut‖_F), which is no less than its 2-norm allows. The better bound counts.
    """
    cut = multiplier.clamp(-bound, bound)
    whole = (matrix * multiplier).sum() / (multiplier.abs().max() / bound).clamp(min=1)
    return float(torch.maximum(whole, (matrix * cut).sum() / (1 + torch.linalg.matrix_norm(multiplier - cut))))


def _balanced(step: float, before: tuple[Tensor, Tensor] | None, now: tuple[Tensor, Tensor]) -> float:
    """Move γ halfway (in logarithm) to where L and γ Y moved equally far since `before`, by a factor of 3 at most.

    Any fixed γ converges; at the balanced one neither half of the problem waits for the other.
    """
    if before is None:
        return step
    moved, turned = (float(torch.linalg.matrix_norm(new - old)) for old, new in zip(before, now, strict=True))
    if moved == 0 or turned == 0:
        return step
    return step * min(max(math.sqrt(moved / (step * turned)), 1 / 3), 3.0)


def _decades(gap: float, tolerance: float) -> int:
    """Say how far the gap has come from 1 to `tolerance`, in hundredths of the way in logarithm."""
    return int(100 * min(max(math.log(max(gap, tolerance)) / math.log(tolerance), 0.0), 1.0))


def rpca_lowrankgan_admm(
    matrix: Tensor,
    *,
    weight: float = PUBLISHED_LAMBDA,
    tolerance: float = 1e-7,
    max_rounds: int = 10_000,
    progress: Progress = silent,
) -> Decomposition:
    """Split a symmetric M (d, d) into L + S by the fixed-penalty ADMM of the released LowRankGAN code.

    μ = d² / (4 ‖M‖₁) with the induced 1-norm; each round soft-thresholds singular values by 1/μ, then entries by
    `weight`/μ, then updates the multiplier; it stops once ‖L + S − M‖_F ≤ `tolerance` ‖M‖_F. That stop is
    feasibility, not optimality: L is in general not the minimiser of ‖L‖_* + `weight` Σ|S|. Kept for parity.

    The multiplier over μ is what the second threshold cuts off, so that one matrix carries S and the multiplier.
    """
    matrix = matrix.to(torch.float64)
    if not bool(matrix.any()):
        return Decomposition(matrix, matrix, torch.eye(len(matrix)).to(matrix), matrix[0], 0, 0, True)
    step = 4 * float(torch.linalg.matrix_norm(matrix, ord=1)) / matrix.numel()
    stop = tolerance * float(torch.linalg.matrix_norm(matrix))
    point, cut, before = matrix, torch.zeros_like(matrix), torch.empty_like(matrix)
    rounds, residual = 0, math.inf
    while residual > stop and rounds < max_rounds:
        low_rank = _shrink_eigenvalues(point, step)
        rest = low_rank.subtracted_from(matrix + cut)
        cut, before = torch.clamp(rest, -weight * step, weight * step, out=before), cut
        point = torch.sub(matrix, rest).add_(cut, alpha=2)  # M − S + the multiplier over μ; S = rest − cut
        residual = float(torch.dist(cut, before))  # ‖M − L − S‖
        rounds += 1
        if rounds % 50 == 0:
            progress(rounds, max_rounds, "pursuit rounds (it may stop early)")
    progress(max_rounds, max_rounds, "pursuit rounds (it may stop early)")
    values, basis = low_rank.sorted()
    rank = numerical_rank(values.abs())
    return Decomposition(low_rank.matrix, rest - cut, basis, values, rank, rounds, residual <= stop)


@dataclass(frozen=True, eq=False)
class _Shrunk:
    """A symmetric matrix (d, d) by its eigenvalues (d,), most of them zero, and eigenvectors as columns (d, d)."""

    values: Tensor
    columns: Tensor

    @property
    def matrix(self) -> Tensor:
        return -self.subtracted_from(torch.zeros_like(self.columns))

    def subtracted_from(self, matrix: Tensor) -> Tensor:
        """Subtract it from a matrix, by the eigenvectors whose values are left, in one product."""
        left = self.values != 0
        kept = self.columns[:, left]
        return torch.addmm(matrix, kept * self.values[left], kept.T, alpha=-1)

    def sorted(self) -> tuple[Tensor, Tensor]:
        """Return eigenvalues by descending magnitude and eigenvectors as rows, signs fixed."""
        order = self.values.abs().argsort(descending=True, stable=True)
        return self.values[order], fix_signs(self.columns.T[order])


def _shrink_eigenvalues(matrix: Tensor, threshold: float) -> _Shrunk:
    """Move every eigenvalue towards zero by `threshold`, or to zero where it is nearer than that."""
    values, columns = torch.linalg.eigh(matrix)
    return _Shrunk(values - values.clamp(-threshold, threshold), columns)
