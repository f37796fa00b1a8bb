"""Linear algebra on small symmetric matrices, in float64: eigenvectors, quotients, projections, angles."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.errors import CapabilityError

# Eigenvalues of a Gram matrix below this share of the largest count as zero. A derivative in float32 that should be
# zero is about 1e-6 of the largest one, and eigenvalues are squares of derivatives.
SMALLEST_SHARE = 1e-12


def fix_signs(rows: Tensor) -> Tensor:
    """Flip rows so that the entry of largest magnitude is positive.

    Args:
        rows: Any rows, (k, d).

    Returns:
        The rows, some of them negated, (k, d).
    """
    largest = rows.abs().argmax(dim=1, keepdim=True)
    return rows * torch.where(rows.gather(1, largest) < 0, -1.0, 1.0).to(rows.dtype)


def unit_rows(rows: Tensor) -> Tensor:
    """Scale rows to unit length.

    Args:
        rows: Any rows, (k, d).

    Returns:
        Rows of length 1, (k, d); zero rows stay zero.
    """
    norms = rows.norm(dim=1, keepdim=True)
    return rows / torch.where(norms > 0, norms, torch.ones_like(norms))


def eigenvectors(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Decompose a symmetric matrix.

    Args:
        matrix: The matrix, (d, d). Its antisymmetric part, which rounding may leave, is ignored.

    Returns:
        The eigenvalues (d,), descending, and the eigenvectors as rows (d, d), signs fixed; both in float64.
    """
    matrix = matrix.to(torch.float64)
    values, columns = torch.linalg.eigh((matrix + matrix.T) / 2)
    return values.flip(0), fix_signs(columns.T.flip(0))


def generalized_eigh(numerator: Tensor, denominator: Tensor, tau: float) -> tuple[Tensor, Tensor]:
    """Find the stationary directions of nᵀ A n / nᵀ (B + τ tr(B) I) n.

    They solve the symmetric-definite generalized eigenproblem A n = θ (B + τ tr(B) I) n, reduced by a Cholesky factor
    of the right side (Golub & Van Loan, "Matrix Computations", section 8.7); no inverse is formed. Directions along
    which both A and B vanish (see `SMALLEST_SHARE`) are left out, since their quotient is 0 / 0.

    Args:
        numerator: A, (d, d), symmetric positive semi-definite.
        denominator: B, (d, d), symmetric positive semi-definite.
        tau: The regularisation τ, 0 or more.

    Returns:
        The quotients (r,), descending, and unit rows (r, d), orthogonal to the directions left out; both in float64.

    Raises:
        CapabilityError: The denominator vanishes along a direction that A does not, so that no quotient is the largest.
    """
    numerator = numerator.to(torch.float64)
    denominator = denominator.to(torch.float64)
    # Coordinates in the range of A + B: rows n = y basis.
    basis = _range_basis(unit_trace(numerator) + unit_trace(denominator))
    shift = tau * denominator.trace()
    right = basis @ denominator @ basis.T + shift * torch.eye(len(basis)).to(denominator)
    vanishing = len(basis) - len(_range_basis(right))
    if vanishing:
        raise CapabilityError(
            f"tau={tau:g}: along {vanishing} of {len(basis)} directions the denominator vanishes, so that no quotient "
            "is the largest; it does not where tau is above 0, 1e-3 for instance"
        )
    # B + τ tr(B) I = L Lᵀ: (L⁻¹ A L⁻ᵀ) z = θ z, y = L⁻ᵀ z
    L = torch.linalg.cholesky(right)
    half = torch.linalg.solve_triangular(L, basis @ numerator @ basis.T, upper=False)
    quotients, Z = eigenvectors(torch.linalg.solve_triangular(L.T, half, upper=True, left=False))
    Y = torch.linalg.solve_triangular(L, Z, upper=False, left=False)
    return quotients, fix_signs(unit_rows(Y @ basis))


def unit_trace(matrix: Tensor) -> Tensor:
    """Scale a matrix to trace 1.

    Args:
        matrix: The matrix, (d, d), positive semi-definite, float64.

    Returns:
        The scaled matrix, (d, d); a zero matrix stays zero.
    """
    return matrix / matrix.trace().clamp(min=torch.finfo(torch.float64).tiny)


def _range_basis(matrix: Tensor) -> Tensor:
    """Return the eigenvectors (r, d) whose eigenvalues are above `SMALLEST_SHARE` of the largest."""
    values, rows = eigenvectors(matrix)
    return rows[values > SMALLEST_SHARE * values.abs().max()]


def numerical_rank(values: Tensor) -> int:
    """Count the eigenvalues above rounding, d · eps · the largest.

    Args:
        values: Eigenvalues of a positive semi-definite matrix, (d,), in any order.

    Returns:
        Their number.
    """
    threshold = values.abs().max() * len(values) * torch.finfo(torch.float64).eps
    return int((values > threshold).sum())


def rank_for_energy(values: Tensor, energy: float) -> int:
    """Find the smallest rank whose leading eigenvalues carry a share of the trace.

    Args:
        values: Eigenvalues of a positive semi-definite matrix, (d,), descending. Rounding may make some negative.
        energy: The share, in (0, 1].

    Returns:
        The rank, at most the numerical one; 0 for a zero matrix.
    """
    if not bool((values > 0).any()):
        return 0
    positive = values.clamp(min=0)
    shares = positive.cumsum(0) / positive.sum()
    rank = int((shares < energy - 1e-12).sum()) + 1
    return min(rank, numerical_rank(values))


def project_out(rows: Tensor, basis: Tensor) -> Tensor:
    """Remove from rows what lies in a subspace: n (I − VᵀV).

    Args:
        rows: The rows n, (k, d).
        basis: Orthonormal rows V, (r, d).

    Returns:
        The rest of the rows, (k, d).
    """
    once = rows - (rows @ basis.T) @ basis
    return once - (once @ basis.T) @ basis  # the second time removes what rounding left


def quadratic(rows: Tensor, matrix: Tensor) -> Tensor:
    """Evaluate nᵀ M n for each row n.

    Args:
        rows: The rows, (k, d).
        matrix: M, (d, d).

    Returns:
        The values, (k,).
    """
    return ((rows @ matrix) * rows).sum(dim=1)


def principal_angles(first: Tensor, second: Tensor) -> Tensor:
    """Compute the principal angles between two subspaces.

    They come from sines as well as from cosines, so that tiny angles are exact (Björck & Golub 1973).

    Args:
        first: Linearly independent rows that span one subspace, (k, d).
        second: Those of the other, (j, d).

    Returns:
        The angles in radians, ascending: min(k, j) of them.
    """
    a, b = (torch.linalg.qr(rows.to(torch.float64).T).Q for rows in (first, second))
    if a.shape[1] < b.shape[1]:
        a, b = b, a
    overlap = a.T @ b
    cosines = torch.linalg.svdvals(overlap).clamp(max=1)
    sines = torch.linalg.svdvals(b - a @ overlap).flip(0).clamp(max=1)
    return torch.where(cosines**2 >= 0.5, sines.asin(), cosines.acos())
