"""Directions in a null space: given ones projected onto it, or a basis of it whose directions do different things."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zoo.linalg import fix_signs, generalized_eigh, project_out, quadratic, unit_rows

# Directions of which the projection leaves a smaller part of the length are dropped: scaling them up amplifies noise.
SMALLEST_KEPT = 0.01

# Directions of a basis whose quotient is below this share of the largest change nothing, such as the code itself where
# the network normalises it.
_SMALLEST_QUOTIENT = 1e-9


@dataclass(frozen=True, eq=False)
class LocalDirections:
    """Directions in the null space, the most local first.

    Attributes:
        vectors: (k, dim), unit vectors.
        scores: (k,), how local they are to first order.
        kept: (k,), the part of each direction's length that the projection left; None where none was projected.
        origins: (k,), indices among the directions before the projection; None where none was projected.
        dropped: the kept parts of the directions that were dropped; None where none was projected.
    """

    vectors: Tensor
    scores: Tensor
    kept: Tensor | None = None
    origins: Tensor | None = None
    dropped: Tensor | None = None

    def first(self, count: int) -> "LocalDirections":
        """Take the first directions."""
        return replace(
            self,
            vectors=self.vectors[:count],
            scores=self.scores[:count],
            kept=None if self.kept is None else self.kept[:count],
            origins=None if self.origins is None else self.origins[:count],
        )


def project_directions(vectors: Tensor, removed: Tensor, foreground: Tensor, background: Tensor) -> LocalDirections:
    """Project directions onto the null space, one by one.

    Args:
        vectors: The directions n (k, dim).
        removed: Orthonormal rows (r, dim) of which nothing is left: V_B.
        foreground: M_F of the region (dim, dim).
        background: M_B of the rest (dim, dim).

    Returns:
        The unit vectors of (I − V_B V_Bᵀ) n, with their first-order localities nᵀ M_F n / nᵀ M_B n.
    """
    projected = project_out(vectors, removed)
    kept = projected.norm(dim=1) / vectors.norm(dim=1)
    survivors = torch.nonzero(kept >= SMALLEST_KEPT)[:, 0]
    units = unit_rows(projected[survivors])
    # The denominator is kept above rounding error.
    smallest = torch.finfo(torch.float64).eps * background.trace().clamp(min=torch.finfo(torch.float64).tiny)
    scores = quadratic(units, foreground) / quadratic(units, background).clamp(min=smallest)
    order = scores.argsort(descending=True, stable=True)
    origins = survivors[order]
    return LocalDirections(units[order], scores[order], kept[origins], origins, kept[kept < SMALLEST_KEPT])


def generalized_basis(null_space: Tensor, foreground: Tensor, background: Tensor, tau: float) -> LocalDirections:
    """Find the directions n of the null space that maximise nᵀ M_F n / nᵀ (M_B + τ tr(M_B) I) n, all of them different.

    They solve the generalised eigenproblem restricted to the null space. To first order and on average over the codes,
    the changes of the region that two of them make have no product: nᵢᵀ M_F nⱼ = 0. So no direction repeats another,
    as projections of the region's leading directions do.

    Args:
        null_space: An orthonormal basis of the null space as rows N (r, dim).
        foreground: M_F of the region (dim, dim).
        background: M_B of the rest (dim, dim).
        tau: The share τ of the rest's trace that is added; it bounds the steps that a visible change needs.

    Returns:
        Unit vectors and their quotients, without directions that change nothing.
    """
    # n = yᵀ N:  N M_F Nᵀ y = θ (N M_B Nᵀ + τ tr(M_B) I) y. Where the rest never changes, any shift will do.
    shift = tau * background.trace() if bool(background.any()) else foreground.trace()
    inside = null_space @ foreground @ null_space.T
    outside = null_space @ background @ null_space.T + shift * torch.eye(len(null_space)).to(background)
    quotients, rows = generalized_eigh(inside, outside, 0.0)
    found = quotients > _SMALLEST_QUOTIENT * quotients.max().clamp(min=torch.finfo(torch.float64).tiny)
    return LocalDirections(fix_signs(unit_rows(rows[found] @ null_space)), quotients[found])
