"""The null-space projection of LowRankGAN (Zhu et al., NeurIPS 2021, arXiv 2106.04488, section 3.3)."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zoo import Adapter, Analyzer, Directions, Probe
from zoo.jacobian import gram_matrices, open_output, require_change
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
        budget = replace(probe.budget, chunk=options.chunk)
        regions = [probe.region, probe.region.complement()]
        output = open_output(options, adapter, probe.progress)
        grams = gram_matrices(
            adapter, probe.codes, regions, layers=layers, output=output, budget=budget, progress=probe.progress
        )
        region, rest = grams.matrices
        require_change(region, probe.region)
        background = factorize(rest, options.factorization, options.background_energy, probe.progress)
        removed = min(max(background.rank - options.relax, min(background.rank, 1)), adapter.space.dim - 1)
        local = _localize(self._foreground(given, region, probe), background.basis[:removed], region, rest)
        count = min(options.k or len(local.rows), len(local.rows))
        record = {
            "output": output.name,
            **grams.provenance,
            "rank": removed,
            "foreground": "lowrank" if options.directions is None else options.directions.name,
            "came_from": local.origins[:count].tolist(),
            "dropped": local.dropped.tolist(),
            "spectrum_of": f"{background.spectrum_of} of the rest of the image; coloured: what was projected out",
            "spectrum": background.spectrum.tolist(),
        }
        rows = local.rows[:count] if given is not None else fix_signs(local.rows[:count])
        told = None if given is None else given.attributes
        attributes = None if told is None else tuple(told[index] for index in local.origins[:count])
        return Directions(adapter.space, rows, local.scores[:count], layers, local.kept[:count], record, attributes)

    def _foreground(self, given: Directions | None, region: Tensor, probe: Probe) -> Tensor:
        """Take the directions that were given, or the region's own low-rank ones: (k, dim)."""
        if given is not None:
            return given.vectors
        return factorize(region, self.options.factorization, self.options.energy, probe.progress).vectors


@dataclass(frozen=True, eq=False)
class _Local:
    """Projected unit `rows`, most local first, with first-order locality, kept norm and index of origin of each.

    `dropped` holds the kept norms of directions that the projection left next to nothing of.
    """

    rows: Tensor
    scores: Tensor
    kept: Tensor
    origins: Tensor
    dropped: Tensor


def _localize(vectors: Tensor, basis: Tensor, region: Tensor, rest: Tensor) -> _Local:
    """Project rows (k, d) out of the span of `basis` and order them by first-order locality."""
    remains = project_out(vectors, basis)
    kept = remains.norm(dim=1) / vectors.norm(dim=1)
    survivors = torch.nonzero(kept >= SMALLEST_KEPT)[:, 0]
    rows = unit_rows(remains[survivors])
    floor = torch.finfo(torch.float64).eps * rest.trace().clamp(min=torch.finfo(torch.float64).tiny)
    scores = quadratic(rows, region) / quadratic(rows, rest).clamp(min=floor)
    order = scores.argsort(descending=True, stable=True)
    origins = survivors[order]
    return _Local(rows[order], scores[order], kept[origins], origins, kept[kept < SMALLEST_KEPT])
