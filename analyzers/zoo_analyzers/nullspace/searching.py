"""Null-space directions of spaces in which no matrix of dim x dim numbers fits, from products with the Jacobian.

With basis=published this is the setting of LOCO Edit (Chen et al., NeurIPS 2024, arXiv 2409.02374): leading directions
of the masked region, projected onto the null space of the leading directions of the rest.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo import Adapter, Directions, Probe
from zoo.jacobian import DEFAULT_RANK, Output, RegionJacobian, no_change, search_budget, search_chunk
from zoo.linalg import PartialEigen, block_davidson, block_krylov_eigsh, fix_signs, project_out, unit_rows
from zoo_analyzers.nullspace.bases import SMALLEST_KEPT, LocalDirections
from zoo_analyzers.nullspace.options import NullSpaceOptions

DEFAULT_REMOVED = 20  # directions of the rest that are projected out
_PROBES = 4  # random sign vectors for the trace of the rest


def obstacle_to_search(options: NullSpaceOptions) -> str | None:
    """Say why no search is possible with some options; None if one is.

    Args:
        options: The options of the analysis.

    Returns:
        What a search needs.
    """
    if options.factorization != "spectrum":
        return "it needs factorization=spectrum"
    return "it takes no preserve=" if options.preserve else None


def search_directions(
    adapter: Adapter, probe: Probe, output: Output, options: NullSpaceOptions, source: Directions | None
) -> tuple[LocalDirections, dict[str, Any]]:
    """Find directions in the null space of the rest by searches for leading directions.

    Args:
        adapter: The network.
        probe: The codes, the region and the layers.
        output: What is differentiated.
        options: The options of the analysis.
        source: The directions to project; None for the region's own.

    Returns:
        The directions, and what a directions file records about the search.

    Raises:
        CapabilityError: The region does not change with the code.
    """
    split = _SplitJacobian(adapter, replace(probe, budget=replace(probe.budget, chunk=options.chunk)), output)
    rank = options.k or DEFAULT_RANK
    rest = split.leading(inside=False, rank=options.background_rank or DEFAULT_REMOVED)
    count = max(1, int((rest.values > _rounding(adapter, rest)).sum()) - options.relax)
    removed = rest.rows[:count] if bool(rest.values.any()) else rest.rows[:0]
    trace, error = split.trace_of_rest(rest)
    searches = {"of the rest": rest}
    if options.generalized:
        found = searches["in the null space"] = split.quotients(removed, rank, options.tau, trace)
        local = LocalDirections(fix_signs(unit_rows(project_out(found.rows, removed))), found.values)
    else:
        if source is None:
            own = searches["of the region"] = split.leading(inside=True, rank=rank)
            vectors = own.rows[own.values > _rounding(adapter, own)]
        else:
            vectors = source.vectors
        if not len(vectors):
            raise no_change(probe.region)
        local = _projected(vectors, removed, split)
    local = local.first(options.k or len(local.vectors))
    captured = rest.values[: len(removed)].sum()
    return local, {
        "method": "sketched",
        "rank": len(removed),
        "basis": "generalized" if options.generalized else "published",
        "share_projected_out": round(float(captured) / trace, 4) if trace else 0.0,
        "share_error": round(float(captured) * error / trace**2, 4) if trace else 0.0,
        "residual": max(one.residual for one in searches.values()),
        "products": split.products,
        "spectrum_of": "Leading eigenvalues of the rest of the image; coloured: what was projected out",
        "spectrum": rest.values.tolist(),
        "notes": [*_on_searches(searches), *_unused(options)],
    }


class _SplitJacobian:
    """J of all pixels, of which either the rows of the region or those of the rest count; the others are zero."""

    def __init__(self, adapter: Adapter, probe: Probe, output: Output) -> None:
        region = probe.region
        whole = replace(region, text="all", mask=np.ones_like(region.mask))
        chunk = search_chunk(adapter, probe.budget)
        self._jacobian = RegionJacobian(
            adapter, probe.codes, whole, layers=probe.layers, output=output, at_a_time=chunk
        )
        rows = np.tile(np.repeat(region.mask.ravel(), output.per_pixel), len(probe.codes))
        self._inside = torch.from_numpy(rows).to(adapter.device)
        self._dim, self._generator = adapter.space.dim, probe.generator
        self.products = 0

    def jvp(self, vectors: Tensor) -> Tensor:
        self.products += len(vectors)
        return self._jacobian.jvp(vectors)

    def vjp(self, images: Tensor) -> Tensor:
        self.products += len(images)
        return self._jacobian.vjp(images)

    def leading(self, *, inside: bool, rank: int) -> PartialEigen:
        """Search for the leading eigenvectors of M of the region or of the rest."""
        rows = self._inside if inside else ~self._inside
        # The search divides by all rows, and M by those that count.
        weights = rows * (len(rows) / rows.sum()) ** 0.5
        return block_krylov_eigsh(
            lambda vectors: _weighted(self.jvp(vectors), weights),
            lambda images: self.vjp(_weighted(images, weights)),
            self._dim,
            min(rank, self._dim),
            generator=self._generator,
            tolerance=0.01,
            max_cost=search_budget(rank),
        )

    def quotients(self, removed: Tensor, rank: int, tau: float, trace: float) -> PartialEigen:
        """Search for the directions without a part in `removed` that maximise the region's change over the rest's."""
        return block_davidson(
            lambda vectors: self.jvp(project_out(vectors, removed)),
            lambda images: project_out(self.vjp(images).to("cpu", torch.float64), removed),
            self._dim,
            min(rank, self._dim - len(removed)),
            inside=self._inside,
            tau=tau,
            trace=trace,
            generator=self._generator,
            max_cost=search_budget(rank),
        )

    def changes(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return nᵀ M_F n and nᵀ M_B n for each vector n."""
        squares = self.jvp(vectors).double().square()
        return squares[:, self._inside].mean(dim=1).cpu(), squares[:, ~self._inside].mean(dim=1).cpu()

    def trace_of_rest(self, rest: PartialEigen) -> tuple[float, float]:
        """Estimate the trace of M_B, with its standard error: what was found, and the rest by random sign vectors.

        That is Hutch++ (Meyer, Musco, Musco & Woodruff 2021) with the directions of a search.
        """
        signs = 2.0 * torch.randint(0, 2, (_PROBES, self._dim), generator=self._generator).double() - 1
        estimates = self.changes(project_out(signs, rest.rows))[1]
        return float(rest.values.sum() + estimates.mean()), float(estimates.std()) / _PROBES**0.5


def _weighted(images: Tensor, weights: Tensor) -> Tensor:
    return images * weights.to(images)


def _rounding(adapter: Adapter, eigen: PartialEigen) -> float:
    return torch.finfo(adapter.dtype).eps * adapter.space.dim * float(eigen.values[0])


def _projected(vectors: Tensor, removed: Tensor, split: _SplitJacobian) -> LocalDirections:
    """Project vectors onto the null space, one by one; see `zoo_analyzers.nullspace.bases.project_directions`."""
    projected = project_out(vectors, removed)
    kept = projected.norm(dim=1) / vectors.norm(dim=1)
    survivors = torch.nonzero(kept >= SMALLEST_KEPT)[:, 0]
    units = unit_rows(projected[survivors])
    inside, outside = split.changes(units)
    scores = inside / outside.clamp(min=torch.finfo(torch.float64).tiny)
    order = scores.argsort(descending=True, stable=True)
    origins = survivors[order]
    return LocalDirections(units[order], scores[order], kept[origins], origins, kept[kept < SMALLEST_KEPT])


def _on_searches(searches: dict[str, PartialEigen]) -> list[str]:
    return [
        f"the search for directions {what} ended at a residual of {found.residual:.2g}: the last ones are approximate"
        for what, found in searches.items()
        if not found.converged
    ]


def _unused(options: NullSpaceOptions) -> list[str]:
    given = [name for name in ("energy", "background_energy") if name in options.model_fields_set]
    return [f"{name} was not used: a search finds a number of directions, not a share of the trace" for name in given]
