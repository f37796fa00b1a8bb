"""Leading directions of a Jacobian J (p, d) that is never formed, from products with it and with its transpose.

`jvp` maps rows (k, d) to their images (k, p), J v for each row v; `vjp` maps rows (k, p) to (k, d), Jᵀ u for each
row u. Both may compute in float32, on any device; the small algebra here is float64, on the CPU. A vjp is a reverse
pass, and counts as `vjp_cost` jvps. The whole Jacobian costs d jvps; `is_worthwhile` predicts whether a search costs
less, and a search whose residual does not fall as planned gives up early.

The letters are those of Bai, Demmel, Dongarra, Ruhe & van der Vorst, "Templates for the Solution of Algebraic
Eigenvalue Problems" (2000), but vectors are rows: V a basis, θ Ritz values, Y their coefficients, X = Y V Ritz vectors,
R residuals.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.linalg.symmetric import eigenvectors, fix_signs, unit_rows

Product = Callable[[Tensor], Tensor]

VJP_COST = 1.0  # a reverse pass took 0.92 to 1.05 times a forward one, in DCGAN, BigGAN and StyleGAN2
MAX_COST_SHARE = 0.5  # of the d jvps of the whole Jacobian, that a search may cost

_BLOCK = 4  # residuals by which the basis of `block_krylov_eigsh` grows
PROBES = 4  # random sign vectors for the trace of `block_davidson`
SMALLEST_SCALE = 1e-3  # of the first value: residuals of smaller ones are measured against that


@dataclass(frozen=True, eq=False)
class PartialEigen:
    """Leading directions with their eigenvalues or quotients, and the cost of finding them.

    The sum of `values` is what the rows capture. It exceeds the exact sum only by rounding (and, of quotients, by the
    error of `trace`).

    Attributes:
        values: Eigenvalues or quotients, (rank,), descending.
        rows: Unit rows, (rank, d). Unless the search converged, the best ones so far.
        residual: The residual at which the search stopped.
        converged: Whether the residual fell below the tolerance.
        jvps: Number of vectors multiplied by J.
        vjps: Number of vectors multiplied by the transpose of J.
        trace: The trace of M_B; None for eigenvalues.
        trace_error: Its standard error; None for eigenvalues.
    """

    values: Tensor
    rows: Tensor
    residual: float
    converged: bool
    jvps: int
    vjps: int
    trace: float | None = None
    trace_error: float | None = None

    def cost(self, vjp_cost: float = VJP_COST) -> float:
        """Add up the cost of the products.

        Args:
            vjp_cost: The cost of a vjp, in jvps.

        Returns:
            The cost in jvps.
        """
        return self.jvps + vjp_cost * self.vjps


def expected_cost(rank: int, *, quotient: bool = False, vjp_cost: float = VJP_COST) -> float:
    """Predict what a search costs.

    A basis is taken to need 2 `rank` + 30 rows, or 2.5 `rank` + 50 for quotients, each with a jvp and a vjp. These are
    about the largest numbers that were observed on real generators, and on spectra that fall as theirs do.

    Args:
        rank: Number of directions.
        quotient: Whether quotients are searched for, instead of eigenvalues.
        vjp_cost: The cost of a vjp, in jvps.

    Returns:
        The cost in jvps.
    """
    return PROBES + (1 + vjp_cost) * (2.5 * rank + 50) if quotient else (1 + vjp_cost) * (2 * rank + 30)


def is_worthwhile(rank: int, dim: int, *, quotient: bool = False, vjp_cost: float = VJP_COST) -> bool:
    """Predict whether a search ends within its budget, and so costs less than `dim` jvps; see `expected_cost`.

    Args:
        rank: Number of directions.
        dim: Numbers of the code, d.
        quotient: Whether quotients are searched for, instead of eigenvalues.
        vjp_cost: The cost of a vjp, in jvps.

    Returns:
        Whether a search is worthwhile.
    """
    return expected_cost(rank, quotient=quotient, vjp_cost=vjp_cost) <= MAX_COST_SHARE * dim


def block_krylov_eigsh(
    jvp: Product,
    vjp: Product,
    dim: int,
    rank: int,
    *,
    generator: torch.Generator,
    tolerance: float = 1e-3,
    vjp_cost: float = VJP_COST,
    max_cost: float | None = None,
) -> PartialEigen:
    """Find the leading eigenpairs of M = JᵀJ / p by block Krylov iteration with Rayleigh–Ritz.

    The basis V grows by the largest residuals r = M x − θ x of the wanted Ritz pairs, orthogonalised in full. The
    products M v of its rows are kept, so that residuals are exact and need no further product. The search stops once
    the largest ‖r‖ is `tolerance` times the last wanted θ (or a thousandth of the first, if that is more). Then an
    eigenvalue of M lies that near to each θ, and the angle to its eigenvector is at most `tolerance` over the relative
    gap.

    Args:
        jvp: Multiplies rows by J, (k, d) -> (k, p).
        vjp: Multiplies rows by the transpose of J, (k, p) -> (k, d).
        dim: Numbers of the code, d.
        rank: Number of eigenpairs, 1 to d.
        generator: Draws the first rows of the basis.
        tolerance: The relative residual at which the search has converged.
        vjp_cost: The cost of a vjp, in jvps.
        max_cost: Cost in jvps after which the search gives up, d / 2 if None. It gives up after three quarters of that
            if half of the decades to `tolerance` are missing.

    Returns:
        The eigenpairs. Check `converged`.

    Raises:
        ValueError: `rank` is not within 1 to d.
    """
    search = Search(jvp, vjp, dim, rank, tolerance, vjp_cost, max_cost)
    V = torch.zeros(0, dim, dtype=torch.float64)
    MV = torch.zeros(0, dim, dtype=torch.float64)
    new = torch.randn(min(_BLOCK, dim), dim, generator=generator, dtype=torch.float64)
    while True:
        new = orthonormal(new, V)
        images = search.jvp(new)
        V = torch.cat([V, new])
        MV = torch.cat([MV, search.vjp(images) / images.shape[1]])
        # Rayleigh–Ritz on span(V): (V M Vᵀ) y = θ y, x = y V, r = M x − θ x
        theta, Y = (part[:rank] for part in eigenvectors(V @ MV.T))
        X = Y @ V
        R = Y @ MV - theta[:, None] * X
        norms = R.norm(dim=1)
        scale = float(torch.maximum(theta[-1], SMALLEST_SCALE * theta[0]))
        residual = float(norms.max()) / scale if scale > 0 else 0.0
        if search.ends(residual, len(V)):
            return search.result(theta, X, residual, len(V))
        new = R[norms.argsort(descending=True)[: dim - len(V)]][:_BLOCK]


@dataclass(eq=False)
class Search:
    """The products of a search, counted, and the decision to end it.

    Attributes:
        jvp_of: Multiplies rows by J, (k, d) -> (k, p).
        vjp_of: Multiplies rows by the transpose of J, (k, p) -> (k, d).
        dim: Numbers of the code, d.
        rank: Number of directions, 1 to d.
        tolerance: The residual at which the search has converged.
        vjp_cost: The cost of a vjp, in jvps.
        max_cost: Cost in jvps after which the search gives up; None stands for d / 2.
        jvps: Number of vectors multiplied by J so far.
        vjps: Number of vectors multiplied by the transpose of J so far.

    Raises:
        ValueError: `rank` is not within 1 to d.
    """

    jvp_of: Product
    vjp_of: Product
    dim: int
    rank: int
    tolerance: float
    vjp_cost: float
    max_cost: float | None
    jvps: int = 0
    vjps: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.rank <= self.dim:
            raise ValueError(f"rank={self.rank}: {self.dim} dimensions have 1 to {self.dim} directions")

    def jvp(self, rows: Tensor) -> Tensor:
        """Multiply by J.

        Args:
            rows: The vectors, (k, d).

        Returns:
            The products, (k, p), where and as `jvp_of` computes them.
        """
        self.jvps += len(rows)
        return self.jvp_of(rows)

    def vjp(self, images: Tensor) -> Tensor:
        """Multiply by the transpose of J.

        Args:
            images: The vectors, (k, p).

        Returns:
            The products, (k, d), in float64 on the CPU.
        """
        self.vjps += len(images)
        return self.vjp_of(images).to("cpu", torch.float64)

    def converged(self, residual: float, size: int) -> bool:
        """Decide whether the search has converged.

        Args:
            residual: The residual.
            size: Number of rows of the basis.

        Returns:
            True for a complete basis, and for one that is large enough and has a small enough residual.
        """
        return size == self.dim or (size >= self.rank and residual <= self.tolerance)

    def ends(self, residual: float, size: int) -> bool:
        """Decide whether to stop: the search has converged, or it has missed its plan.

        The plan is half of the decades after three quarters of the budget, and all of them at its end.

        Args:
            residual: The residual.
            size: Number of rows of the basis.

        Returns:
            Whether to stop.
        """
        max_cost = MAX_COST_SHARE * self.dim if self.max_cost is None else self.max_cost
        cost = self.jvps + self.vjp_cost * self.vjps
        is_late = cost > 0.75 * max_cost and residual > math.sqrt(self.tolerance)
        return self.converged(residual, size) or is_late or cost + _BLOCK * (1 + self.vjp_cost) > max_cost

    def result(self, values: Tensor, ritz_vectors: Tensor, residual: float, size: int) -> PartialEigen:
        """Put the result of a search together.

        Args:
            values: Ritz values, (rank,), descending.
            ritz_vectors: Their vectors as rows of any length, (rank, d).
            residual: The residual.
            size: Number of rows of the basis. A complete one leaves no residual.

        Returns:
            The result, without a trace.
        """
        return PartialEigen(
            values=values,
            rows=fix_signs(unit_rows(ritz_vectors)),
            residual=0.0 if size == self.dim else residual,
            converged=self.converged(residual, size),
            jvps=self.jvps,
            vjps=self.vjps,
        )


def orthonormal(rows: Tensor, basis: Tensor) -> Tensor:
    """Make rows orthonormal and orthogonal to a basis, in full; twice is enough (Giraud et al. 2005).

    Args:
        rows: The rows, (k, d).
        basis: Orthonormal rows, (m, d), with k + m at most d.

    Returns:
        Orthonormal rows, (k, d).
    """
    for _ in range(2):
        rows = torch.linalg.qr((rows - (rows @ basis.T) @ basis).T).Q.T
    return rows
