"""Leading directions of a quotient of two Gram matrices of a Jacobian that is never formed.

See `zoo.linalg.krylov` for the products, their cost and the letters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zoo.errors import CapabilityError
from zoo.linalg.krylov import PROBES, SMALLEST_SCALE, VJP_COST, PartialEigen, Product, Search, orthonormal
from zoo.linalg.symmetric import eigenvectors

_MIXTURES = 3  # mixtures of residuals by which the basis grows
_COLUMNS = 2**16  # columns of images that are converted to float64 at a time


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
    """Find the leading directions of nᵀ M_F n / nᵀ (M_B + τ tr(M_B) I) n by a block Davidson iteration.

    With J_F the rows of J inside a region and J_B the others, M_F = J_Fᵀ J_F / p_F, M_B likewise. The images J v of the
    basis V are kept, so that both Gram matrices on its span need no further product. The basis grows by random mixtures
    of the residuals r = M_F x − θ (M_B + τ tr I) x = Jᵀ W (J x) − θ τ tr x of the wanted pairs: a mixture costs one
    vjp, and its length estimates all residuals together.

    The search stops when that estimate, √Σ(‖r‖ / θ)² / √(τ tr) for x of length 1 in the norm of the denominator, is
    below `tolerance` twice in succession. With 0.05, less than 1e-4 of the sum of ten quotients was missing in
    StyleGAN2-shaped generators; more is where singular values fall as slowly as e^(-k/25). There is no preconditioner:
    residuals are orthogonal to the basis, where the known part of the denominator is a multiple of I, whose inverse
    changes no direction.

    tr(M_B), unless given, is the trace on the span of the basis, which is exact, plus a Hutchinson estimate of the rest
    from four random sign vectors (Hutch++; Meyer, Musco, Musco & Woodruff 2021). Its error scales τ, and hardly changes
    the directions.

    Args:
        jvp: Multiplies rows by J, (k, d) -> (k, p).
        vjp: Multiplies rows by the transpose of J, (k, p) -> (k, d).
        dim: Numbers of the code, d.
        rank: Number of directions, 1 to d.
        inside: Which rows of J belong to M_F, (p,) bool, on the device of the images.
        tau: The regularisation τ, above 0.
        generator: Draws the first rows of the basis, the mixtures and the sign vectors.
        trace: tr(M_B) if it is known; None estimates it.
        tolerance: The relative residual at which the search has converged.
        vjp_cost: The cost of a vjp, in jvps.
        max_cost: Cost in jvps after which the search gives up, as for `zoo.linalg.block_krylov_eigsh`.

    Returns:
        The directions with their quotients. Check `converged`.

    Raises:
        CapabilityError: M_B is zero, so that no quotient is bounded.
        ValueError: `tau` is not above 0, or `rank` is not within 1 to d.
    """
    if not tau > 0:
        raise ValueError(f"tau={tau:g}: a search needs a tau above 0")
    search = Search(jvp, vjp, dim, rank, tolerance, vjp_cost, max_cost)
    probes = None if trace is not None else _Probes.draw(search, dim, generator)
    V = torch.zeros(0, dim, dtype=torch.float64)
    JV: Tensor | None = None
    new = torch.randn(min(_MIXTURES, dim), dim, generator=generator, dtype=torch.float64)
    residual = math.inf
    while True:
        new = orthonormal(new, V)
        images = search.jvp(new)
        V = torch.cat([V, new])
        JV = images if JV is None else torch.cat([JV, images])
        weights_F, weights_B = _row_weights(inside, JV)
        A, B = _gram(JV, weights_F), _gram(JV, weights_B)
        trace_B, trace_error = probes.trace(V, JV, weights_B) if probes else (float(trace or 0), 0.0)
        if not trace_B > 0:
            raise CapabilityError("nothing outside of the region changes with the code, so that no quotient is bounded")
        # Rayleigh–Ritz on span(V): A y = θ (B + τ tr I) y, x = y V
        theta, Y = (part[:rank] for part in _shifted_eigh(A, B, tau * trace_B))
        # Mixtures Σ c r / θ of the residuals, with random c: Jᵀ W (J x) − θ τ tr x
        c = torch.randn(max(1, min(_MIXTURES, dim - len(V))), len(theta), generator=generator).to(V)
        scaled = c / theta.clamp(min=float(SMALLEST_SCALE * theta[0]) or 1.0)
        Y_F = scaled @ Y
        Y_B = (scaled * theta) @ Y
        pulled_back = search.vjp((Y_F.to(JV) @ JV) * weights_F - (Y_B.to(JV) @ JV) * weights_B)
        new = pulled_back - tau * trace_B * Y_B @ V
        previous = residual
        residual = float(new.norm() / math.sqrt(len(new) * tau * trace_B))
        larger = max(previous, residual)
        if search.ends(larger, len(V)):
            found = search.result(theta, Y @ V, larger, len(V))
            return replace(found, trace=trace_B, trace_error=trace_error)


@dataclass(frozen=True, eq=False)
class _Probes:
    """Random sign vectors s (k, d) and their images J s (k, p), for the trace of what a basis does not capture."""

    signs: Tensor
    images: Tensor

    @classmethod
    def draw(cls, search: Search, dim: int, generator: torch.Generator) -> _Probes:
        signs = 2.0 * torch.randint(0, 2, (PROBES, dim), generator=generator).to(torch.float64) - 1
        return cls(signs, search.jvp(signs))

    def trace(self, basis: Tensor, basis_images: Tensor, weights: Tensor) -> tuple[float, float]:
        """Estimate the trace of Jᵀ W J: (estimate, standard error).

        With the basis V and P = I − VᵀV, tr(Jᵀ W J) = tr(V Jᵀ W J Vᵀ) + E[sᵀ P Jᵀ W J P s].
        """
        coordinates = self.signs @ basis.T
        rest = _gram(self.images - coordinates.to(basis_images) @ basis_images, weights).diagonal()
        captured = _gram(basis_images, weights).trace()
        return float(captured + rest.mean()), float(rest.std()) / math.sqrt(len(rest))


def _row_weights(inside: Tensor, images: Tensor) -> list[Tensor]:
    """Weigh the rows of J_F by 1 / p_F and those of J_B by 1 / p_B, the others by 0: W_F and W_B, (p,) each."""
    return [part.to(images) / part.sum().to(images) for part in (inside, ~inside)]


def _shifted_eigh(numerator: Tensor, denominator: Tensor, shift: float) -> tuple[Tensor, Tensor]:
    """Solve A y = θ (B + shift I) y: θ descending, and rows y of length 1 in the norm of the right side.

    With B + shift I = L Lᵀ: (L⁻¹ A L⁻ᵀ) z = θ z, y = L⁻ᵀ z.
    """
    L = torch.linalg.cholesky(denominator + shift * torch.eye(len(denominator)).to(denominator))
    half = torch.linalg.solve_triangular(L, numerator, upper=False)
    theta, Z = eigenvectors(torch.linalg.solve_triangular(L.T, half, upper=True, left=False))
    return theta, torch.linalg.solve_triangular(L, Z, upper=False, left=False)


def _gram(images: Tensor, weights: Tensor) -> Tensor:
    """Compute I diag(weights) Iᵀ for images I (k, p) in float64 on the CPU, some columns at a time."""
    parts = zip(torch.split(images, _COLUMNS, dim=1), torch.split(weights, _COLUMNS), strict=True)
    doubles = ((part.to("cpu", torch.float64), weight.to("cpu", torch.float64)) for part, weight in parts)
    return torch.stack([(part * weight) @ part.T for part, weight in doubles]).sum(dim=0)
