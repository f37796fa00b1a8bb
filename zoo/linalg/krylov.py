"""Leading directions of a Jacobian that is never formed, from products with it and with its transpose.

`jvp` maps rows (k, d) to their images (k, p), J v for each row v; `vjp` maps rows (k, p) to (k, d), Jᵀ u for each
row u. Both may compute in float32, on any device; the small algebra here is float64, on the CPU. A pull is a reverse
pass and counts as `vjp_cost` pushes. The exact way costs d pushes; `is_worthwhile` says which of both is cheaper, and
a search whose residual does not fall as planned gives up early.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.errors import CapabilityError
from zoo.linalg.symmetric import eigenvectors, fix_signs, unit_rows

Product = Callable[[Tensor], Tensor]

VJP_COST = 1.0
"""A reverse pass took 0.92 to 1.05 of a forward one, in DCGAN, BigGAN and StyleGAN2."""
BUDGET = 0.5
"""The share of the exact way's d pushes that a search may cost."""

_BLOCK = 4
_MIXTURES = 3
_PROBES = 4
_FLOOR = 1e-3
_COLUMNS = 2**16


@dataclass(frozen=True, eq=False)
class PartialEigen:
    """Leading unit rows (rank, d) with their eigenvalues or quotients (rank,), descending, and what they took.

    The sum of `values` is what the rows capture. It never exceeds the exact sum but for rounding (and, of quotients,
    for the error of `trace`). `residual` is what the search stopped at. Unless it `converged`, these are the best rows
    so far. `trace` is that of M_B and `trace_error` its standard error, both None where no trace is needed.
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
        """Count pushes, a pull being `vjp_cost` of them."""
        return self.jvps + vjp_cost * self.vjps


def is_worthwhile(rank: int, dim: int, *, quotient: bool = False, vjp_cost: float = VJP_COST) -> bool:
    """Say whether a search is likely to end within its budget, and so to be cheaper than `dim` pushes.

    Its basis is taken to need 2 `rank` + 30 rows, each pushed and pulled once: so many at most, give or take ten, did
    it take on real generators and on spectra that fall as theirs. With `quotient` it needs 2.5 `rank` + 50.
    """
    rows = _PROBES + (1 + vjp_cost) * (2.5 * rank + 50) if quotient else (1 + vjp_cost) * (2 * rank + 30)
    return rows <= BUDGET * dim


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
    """Find the leading `rank` eigenpairs of M = JᵀJ / p by block Krylov iteration with Rayleigh–Ritz.

    A basis grows by the residuals M n − θ n of the wanted Ritz pairs that are furthest off, orthogonalised in full. The
    products M v of its rows are kept, so that residuals are exact and cost nothing. It stops when the largest residual
    is `tolerance` of the last wanted Ritz value (of a thousandth of the first, if that is more): an eigenvalue then
    lies that near to each θ, and the angle to its vector is at most `tolerance` over the relative gap. It gives up
    after `max_cost` pushes, by default half of `dim`, or after three quarters of it if half of the decades are missing.
    """
    search = _Search(jvp, vjp, dim, rank, tolerance, vjp_cost, max_cost)
    basis, through = (torch.zeros(0, dim, dtype=torch.float64) for _ in range(2))
    fresh = torch.randn(min(_BLOCK, dim), dim, generator=generator, dtype=torch.float64)
    while True:
        fresh = _orthonormal(fresh, basis)
        images = search.jvp(fresh)
        basis, through = torch.cat([basis, fresh]), torch.cat([through, search.vjp(images) / images.shape[1]])
        values, mixtures = (part[:rank] for part in eigenvectors(basis @ through.T))
        residuals = mixtures @ through - values[:, None] * (mixtures @ basis)
        sizes = residuals.norm(dim=1)
        scale = float(torch.maximum(values[-1], _FLOOR * values[0]))
        residual = float(sizes.max()) / scale if scale > 0 else 0.0
        if search.ends(residual, len(basis)):
            rows, converged = fix_signs(unit_rows(mixtures @ basis)), search.converged(residual, len(basis))
            return PartialEigen(values, rows, search.left(residual, len(basis)), converged, search.jvps, search.vjps)
        fresh = residuals[sizes.argsort(descending=True)[: dim - len(basis)]][:_BLOCK]


def block_davidson(
    jvp: Product,
    vjp: Product,
    dim: int,
    rank: int,
    *,
    inside: Tensor,
    tau: float,
    generator: torch.Generator,
    trace: float | None = None,
    tolerance: float = 0.05,
    vjp_cost: float = VJP_COST,
    max_cost: float | None = None,
) -> PartialEigen:
    """Find the `rank` leading directions of nᵀ M_F n / nᵀ (M_B + τ tr(M_B) I) n by a block Davidson iteration.

    `inside` (p,) bool tells the rows of J that make M_F from those of M_B, τ is above 0. Images of the basis are kept,
    so that both Gram matrices on it cost nothing. It grows by random mixtures of the wanted pairs' residuals
    Jᵀ w (J n) − θ τ tr(M_B) n: a mixture is pulled at the price of one, and its size estimates all of them together.
    The iteration stops when that estimate, √Σ(‖r‖ / θ)² / √(τ tr) for n of length 1 in the denominator's norm, is below
    `tolerance` twice running. With 0.05, less than 1e-4 of the sum of ten quotients was missing in StyleGAN2-shaped
    generators; more is where singular values fall as slowly as e^(-k/25). No preconditioner is used: residuals are
    orthogonal to the basis, where the known part of M_B is a multiple of I, and inverting that changes nothing. It
    gives up as `block_krylov_eigsh` does.

    tr(M_B), unless given, is what the basis captures, exactly, plus a Hutchinson estimate of the rest by four random
    sign vectors (Hutch++, Meyer et al. 2021). An error of it scales τ, and hardly turns the directions.
    """
    if not tau > 0:
        raise ValueError(f"tau={tau:g}: a search needs a tau above 0")
    search = _Search(jvp, vjp, dim, rank, tolerance, vjp_cost, max_cost)
    probes = None if trace is not None else _Probes.drawn(search, dim, generator)
    basis, images = torch.zeros(0, dim, dtype=torch.float64), None
    fresh, residual = torch.randn(min(_MIXTURES, dim), dim, generator=generator, dtype=torch.float64), math.inf
    while True:
        fresh = _orthonormal(fresh, basis)
        seen = search.jvp(fresh)
        basis, images = torch.cat([basis, fresh]), seen if images is None else torch.cat([images, seen])
        shares = _shares(inside, images)
        above, below = (_gram(images, share) for share in shares)
        total, error = probes.trace(basis, images, shares[1]) if probes else (float(trace or 0), 0.0)
        if not total > 0:
            raise CapabilityError("nothing outside of the region changes with the code, so that no quotient is bounded")
        values, mixtures = (part[:rank] for part in _maximise(above, below, tau * total))
        chances = torch.randn(max(1, min(_MIXTURES, dim - len(basis))), len(values), generator=generator).to(basis)
        scaled = chances / values.clamp(min=float(_FLOOR * values[0]) or 1.0)
        leading, trailing = scaled @ mixtures, (scaled * values) @ mixtures
        pulled = search.vjp((leading.to(images) @ images) * shares[0] - (trailing.to(images) @ images) * shares[1])
        fresh = pulled - tau * total * trailing @ basis
        before, residual = residual, float(fresh.norm() / math.sqrt(len(fresh) * tau * total))
        worse = max(before, residual)
        if search.ends(worse, len(basis)):
            rows, whole = fix_signs(unit_rows(mixtures @ basis)), search.converged(worse, len(basis))
            left = search.left(worse, len(basis))
            return PartialEigen(values, rows, left, whole, search.jvps, search.vjps, total, error)


@dataclass(eq=False)
class _Search:
    """The products of a search, counted, and the decision to end it."""

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
        self.jvps += len(rows)
        return self.jvp_of(rows)

    def vjp(self, images: Tensor) -> Tensor:
        self.vjps += len(images)
        return self.vjp_of(images).to("cpu", torch.float64)

    def converged(self, residual: float, size: int) -> bool:
        """Say whether a basis of this size is whole, or holds enough rows of which the residual is small enough."""
        return size == self.dim or (size >= self.rank and residual <= self.tolerance)

    def left(self, residual: float, size: int) -> float:
        """Return the residual: none where the basis is whole."""
        return 0.0 if size == self.dim else residual

    def ends(self, residual: float, size: int) -> bool:
        """Say whether the search has converged, or missed its plan.

        The plan: half of the decades after three quarters of the budget, all of them at its end.
        """
        max_cost = BUDGET * self.dim if self.max_cost is None else self.max_cost
        spent = self.jvps + self.vjp_cost * self.vjps
        late = spent > 0.75 * max_cost and residual > math.sqrt(self.tolerance)
        return self.converged(residual, size) or late or spent + _BLOCK * (1 + self.vjp_cost) > max_cost


@dataclass(frozen=True, eq=False)
class _Probes:
    """Random sign vectors (k, d) and their images (k, p), for the trace of what a basis does not capture."""

    signs: Tensor
    images: Tensor

    @classmethod
    def drawn(cls, search: _Search, dim: int, generator: torch.Generator) -> _Probes:
        signs = 2.0 * torch.randint(0, 2, (_PROBES, dim), generator=generator).to(torch.float64) - 1
        return cls(signs, search.jvp(signs))

    def trace(self, basis: Tensor, images: Tensor, share: Tensor) -> tuple[float, float]:
        """Estimate the trace of a Gram matrix whose part on the basis is known: (estimate, standard error)."""
        known = self.signs @ basis.T
        rest = _gram(self.images - known.to(images) @ images, share).diagonal()
        captured = _gram(images, share).trace()
        return float(captured + rest.mean()), float(rest.std()) / math.sqrt(len(rest))


def _shares(inside: Tensor, images: Tensor) -> list[Tensor]:
    """Weigh the pixels of a region, and those of the rest, by one over their number: (p,) each, where images are."""
    return [part.to(images) / part.sum().to(images) for part in (inside, ~inside)]


def _maximise(above: Tensor, below: Tensor, shift: float) -> tuple[Tensor, Tensor]:
    """Solve A n = θ (B + shift I) n: θ descending, and rows n of length 1 in the norm of the right side."""
    factor = torch.linalg.cholesky(below + shift * torch.eye(len(below)).to(below))
    half = torch.linalg.solve_triangular(factor, above, upper=False)
    values, turned = eigenvectors(torch.linalg.solve_triangular(factor.T, half, upper=True, left=False))
    return values, torch.linalg.solve_triangular(factor, turned, upper=False, left=False)


def _orthonormal(fresh: Tensor, basis: Tensor) -> Tensor:
    """Make rows orthonormal, and orthogonal to the basis, in full; twice is enough (Giraud et al. 2005)."""
    for _ in range(2):
        fresh = torch.linalg.qr((fresh - (fresh @ basis.T) @ basis).T).Q.T
    return fresh


def _gram(images: Tensor, share: Tensor) -> Tensor:
    """Compute I diag(share) Iᵀ in float64 on the CPU, some columns at a time."""
    parts = zip(torch.split(images, _COLUMNS, dim=1), torch.split(share, _COLUMNS), strict=True)
    doubles = ((part.to("cpu", torch.float64), weight.to("cpu", torch.float64)) for part, weight in parts)
    return torch.stack([(part * weight) @ part.T for part, weight in doubles]).sum(dim=0)
