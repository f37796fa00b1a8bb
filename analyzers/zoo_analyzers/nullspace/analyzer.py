"""The null-space projection of LowRankGAN (Zhu et al., NeurIPS 2021, arXiv 2106.04488, section 3.3)."""

import torch
from torch import Tensor

from zoo import Adapter, Analyzer, Directions, Probe
from zoo.jacobian import default_chunk, gram_matrices, require_change
from zoo.linalg import factorize, fix_signs, project_out, quadratic, unit_rows
from zoo_analyzers.nullspace.options import NullSpaceOptions

SMALLEST_KEPT = 0.01
"""A direction that keeps less of its length than this is dropped: scaling it up again would amplify noise."""


class NullSpace(Analyzer[NullSpaceOptions]):
    """Make directions local: p = (I − V_B V_Bᵀ) n, V_B the leading directions of the complement's Jacobian.

    The directions n are the region's own low-rank ones, or those of a file, from any analysis. Rows are unit, not
    orthogonal, and ordered by first-order locality pᵀ M_F p / pᵀ M_B p, which is their score. Directions of a file keep
    their sign. The claim of locality holds for small steps, at the codes analysed, for the rows that were moved.
    """

    def analyze(self, adapter: Adapter, probe: Probe) -> Directions:
        """Project; raises `RegionError` if the region has no complement, `DirectionsError` for a file that is wrong."""
        options = self.options
        given = Directions.load(options.directions, space=adapter.space) if options.directions else None
        layers = probe.layers if probe.layers is not None or given is None else given.layers
        chunk = options.chunk or default_chunk(adapter)
        region, rest = gram_matrices(
            adapter,
            probe.codes,
            [probe.region, probe.region.complement()],
            layers=layers,
            chunk=chunk,
            progress=probe.progress,
        )
        require_change(region, probe.region)
        if given is None:
            vectors = factorize(region, options.factorization, options.energy, probe.progress).vectors
        else:
            vectors = given.vectors
        background = factorize(rest, options.factorization, options.background_energy, probe.progress)
        removed = min(max(background.rank - options.relax, min(background.rank, 1)), adapter.space.dim - 1)
        basis = background.basis[:removed]
        projected, scores, kept, order, dropped = _localize(vectors, basis, region, rest)
        if given is None:
            projected = fix_signs(projected)
        count = min(options.k or len(order), len(order))
        return Directions(
            adapter.space,
            projected[:count],
            scores[:count],
            layers,
            kept[:count],
            provenance={
                "chunk": chunk,
                "rank": removed,
                "foreground": str(options.directions.name) if options.directions else "lowrank",
                "came_from": order[:count].tolist(),
                "dropped": dropped.tolist(),
                "spectrum_of": f"{background.spectrum_of} of the rest of the image; coloured: what was projected out",
                "spectrum": background.spectrum.tolist(),
            },
        )


def _localize(vectors: Tensor, basis: Tensor, region: Tensor, rest: Tensor) -> tuple[Tensor, ...]:
    """Project rows (k, d) and order them.

    Returns rows, first-order locality, kept norms and indices into `vectors`, and the kept norms of dropped rows.
    """
    remains = project_out(vectors, basis)
    kept = remains.norm(dim=1) / vectors.norm(dim=1)
    survivors = torch.nonzero(kept >= SMALLEST_KEPT)[:, 0]
    rows = unit_rows(remains[survivors])
    floor = torch.finfo(torch.float64).eps * rest.trace().clamp(min=torch.finfo(torch.float64).tiny)
    scores = quadratic(rows, region) / quadratic(rows, rest).clamp(min=floor)
    order = scores.argsort(descending=True, stable=True)
    return rows[order], scores[order], kept[survivors][order], survivors[order], kept[kept < SMALLEST_KEPT]
