"""Linear algebra on small symmetric matrices, in float64: eigenvectors, low-rank parts, projections, angles."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.errors import OptionError
from zoo.progress import Progress, silent

PUBLISHED_LAMBDA = 1 / 60
"""Weight of the sparse part in the released LowRankGAN code; the constant belongs to d = 512."""


def fix_signs(rows: Tensor) -> Tensor:
    """Flip rows so that the entry of largest magnitude is positive."""
    largest = rows.abs().argmax(dim=1, keepdim=True)
    return rows * torch.where(rows.gather(1, largest) < 0, -1.0, 1.0).to(rows.dtype)


def unit_rows(rows: Tensor) -> Tensor:
    """Scale rows to unit length; zero rows stay zero."""
    norms = rows.norm(dim=1, keepdim=True)
    return rows / torch.where(norms > 0, norms, torch.ones_like(norms))


def eigenvectors(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Decompose a symmetric matrix (d, d): eigenvalues (d,), descending, and eigenvectors as rows (d, d), float64."""
    matrix = matrix.to(torch.float64)
    values, columns = torch.linalg.eigh((matrix + matrix.T) / 2)
    return values.flip(0), fix_signs(columns.T.flip(0))


def numerical_rank(values: Tensor) -> int:
    """Count the eigenvalues above rounding: d · eps · the largest, the usual numerical rank of a PSD matrix."""
    threshold = values.abs().max() * len(values) * torch.finfo(torch.float64).eps
    return int((values > threshold).sum())


def rank_for_energy(values: Tensor, energy: float) -> int:
    """Return the smallest rank whose leading eigenvalues carry a share `energy` in (0, 1] of the trace; 0 for zero."""
    if not bool((values > 0).any()):
        return 0
    positive = values.clamp(min=0)
    carried = positive.cumsum(0) / positive.sum()
    rank = int((carried < energy - 1e-12).sum()) + 1
    return min(rank, numerical_rank(values))


@dataclass(frozen=True, eq=False)
class Pursuit:
    """The outcome of `published_pursuit`: low-rank and sparse parts (d, d), rank, rounds run, the constant μ."""

    low_rank: Tensor
    sparse: Tensor
    rank: int
    rounds: int
    mu: float
    converged: bool


def published_pursuit(
    matrix: Tensor,
    *,
    weight: float = PUBLISHED_LAMBDA,
    tolerance: float = 1e-7,
    max_rounds: int = 10_000,
    progress: Progress = silent,
) -> Pursuit:
    """Split a symmetric M into L + S by the fixed-penalty ADMM of the released LowRankGAN code.

    μ = d² / (4 ‖M‖₁) with the induced 1-norm; each round soft-thresholds singular values by 1/μ, then entries by
    `weight`/μ, then updates the multiplier; it stops once ‖L + S − M‖_F ≤ `tolerance` ‖M‖_F. Every iterate is
    symmetric, so that its singular values are the magnitudes of its eigenvalues. That stop is feasibility,
    not optimality: L is in general not the minimiser of ‖L‖_* + `weight` Σ|S|. Kept for parity.
    """
    matrix = matrix.to(torch.float64)
    if not bool(matrix.any()):
        return Pursuit(matrix, matrix, 0, 0, float("inf"), True)
    mu = matrix.numel() / (4 * float(torch.linalg.matrix_norm(matrix, ord=1)))
    stop = tolerance * float(torch.linalg.matrix_norm(matrix))
    low_rank, sparse, multiplier = torch.zeros_like(matrix), torch.zeros_like(matrix), torch.zeros_like(matrix)
    rounds, residual = 0, float("inf")
    while residual > stop and rounds < max_rounds:
        values, vectors = torch.linalg.eigh(matrix - sparse + multiplier / mu)
        low_rank = (vectors * _shrink(values, 1 / mu)) @ vectors.T
        sparse = _shrink(matrix - low_rank + multiplier / mu, weight / mu)
        gap = matrix - low_rank - sparse
        multiplier = multiplier + mu * gap
        residual = float(torch.linalg.matrix_norm(gap))
        rounds += 1
        if rounds % 50 == 0:
            progress(rounds, max_rounds, "pursuit rounds (it may stop early)")
    progress(max_rounds, max_rounds, "pursuit rounds (it may stop early)")
    rank = int(torch.linalg.matrix_rank(low_rank))
    return Pursuit(low_rank, sparse, rank, rounds, mu, residual <= stop)


@dataclass(frozen=True, eq=False)
class LowRank:
    """The low-rank part of a symmetric matrix: its `rank`, and a whole orthonormal `basis` (d, d), strongest first.

    `spectrum` (d,) belongs to the basis, and `spectrum_of` says what it holds; `rounds` is what an iteration took.
    """

    basis: Tensor
    spectrum: Tensor
    rank: int
    spectrum_of: str
    rounds: int | None = None

    @property
    def vectors(self) -> Tensor:
        """The directions of the low-rank part, (rank, d)."""
        return self.basis[: self.rank]

    @property
    def scores(self) -> Tensor:
        """Their eigenvalues or singular values, (rank,)."""
        return self.spectrum[: self.rank]


def factorize(matrix: Tensor, factorization: str, energy: float, progress: Progress = silent) -> LowRank:
    """Find the low-rank part of M (d, d), symmetric positive semi-definite.

    ``spectrum``: eigenvectors that carry a share `energy` of the trace. ``published``: right singular vectors of the L
    of `published_pursuit` up to its numerical rank, possibly none. Raises `OptionError` for another name.
    """
    if factorization == "spectrum":
        values, rows = eigenvectors(matrix)
        return LowRank(rows, values, rank_for_energy(values, energy), "Eigenvalues")
    if factorization == "published":
        pursuit = published_pursuit(matrix, progress=progress)
        _, singular, right = torch.linalg.svd(pursuit.low_rank)
        return LowRank(fix_signs(right), singular, pursuit.rank, "Singular values", pursuit.rounds)
    raise OptionError(f"factorization={factorization}: there are spectrum and published")


def project_out(rows: Tensor, basis: Tensor) -> Tensor:
    """Remove from rows (k, d) what lies in the span of orthonormal `basis` (r, d): p = n (I − V Vᵀ)."""
    once = rows - (rows @ basis.T) @ basis
    return once - (once @ basis.T) @ basis


def quadratic(rows: Tensor, matrix: Tensor) -> Tensor:
    """Evaluate nᵀ M n for each row n: (k, d), (d, d) -> (k,)."""
    return ((rows @ matrix) * rows).sum(dim=1)


def principal_angles(first: Tensor, second: Tensor) -> Tensor:
    """Return the principal angles, in radians and ascending, between the spans of two sets of rows.

    Computed from sines as well as cosines (Björck & Golub 1973), so that tiny angles are exact.
    """
    a, b = (torch.linalg.qr(rows.to(torch.float64).T).Q for rows in (first, second))
    if a.shape[1] < b.shape[1]:
        a, b = b, a
    overlap = a.T @ b
    cosines = torch.linalg.svdvals(overlap).clamp(max=1)
    sines = torch.linalg.svdvals(b - a @ overlap).flip(0).clamp(max=1)
    return torch.where(cosines**2 >= 0.5, sines.asin(), cosines.acos())


def _shrink(values: Tensor, threshold: float) -> Tensor:
    return values.sign() * (values.abs() - threshold).clamp(min=0)
