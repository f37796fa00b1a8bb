"""Linear algebra on small symmetric matrices, in float64: eigenvectors, quotients, projections, angles."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.errors import CapabilityError

SMALLEST_SHARE = 1e-12
"""Eigenvalues of a Gram matrix below this share of the largest count as zero: a derivative in float32 that ought to be
zero is one millionth of the largest."""


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


def generalized_eigh(above: Tensor, below: Tensor, tau: float) -> tuple[Tensor, Tensor]:
    """Find the stationary directions of nᵀ A n / nᵀ (B + τ tr(B) I) n, for positive semi-definite A and B (d, d).

    Returns the quotients (r,), descending, and unit rows (r, d), float64: the symmetric-definite generalized
    eigenproblem A n = θ (B + τ tr(B) I) n, reduced by a Cholesky factor of the right side; no inverse is formed.

    Directions that neither A nor B knows (`SMALLEST_SHARE`) are left out, or quotients would be 0 / 0; the rest are
    orthogonal to them. Raises `CapabilityError` where the denominator vanishes along a direction that A knows, for
    then no quotient is the largest.
    """
    above, below = above.to(torch.float64), below.to(torch.float64)
    known = _known(unit_trace(above) + unit_trace(below))
    right = known @ below @ known.T + tau * below.trace() * torch.eye(len(known)).to(below)
    vanishing = len(known) - len(_known(right))
    if vanishing:
        raise CapabilityError(
            f"tau={tau:g}: along {vanishing} of {len(known)} directions the denominator vanishes, so that no quotient "
            "is the largest; it does not where tau is above 0, 1e-3 for instance"
        )
    factor = torch.linalg.cholesky(right)
    half = torch.linalg.solve_triangular(factor, known @ above @ known.T, upper=False)
    quotients, rows = eigenvectors(torch.linalg.solve_triangular(factor.T, half, upper=True, left=False))
    return quotients, fix_signs(unit_rows(torch.linalg.solve_triangular(factor, rows, upper=False, left=False) @ known))


def unit_trace(matrix: Tensor) -> Tensor:
    """Scale a positive semi-definite matrix to trace 1; a zero matrix stays zero."""
    return matrix / matrix.trace().clamp(min=torch.finfo(torch.float64).tiny)


def _known(matrix: Tensor) -> Tensor:
    """Return the eigenvectors (r, d) whose eigenvalues are above `SMALLEST_SHARE` of the largest."""
    values, rows = eigenvectors(matrix)
    return rows[values > SMALLEST_SHARE * values.abs().max()]


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
