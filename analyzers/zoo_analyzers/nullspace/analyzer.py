"""The null-space projection of LowRankGAN (Zhu et al., NeurIPS 2021, arXiv 2106.04488, section 3.3)."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from zoo import Adapter, Analyzer, Directions, DirectionsError, LatentSpace, Probe
from zoo.jacobian import Grams, Output, gram_matrices, open_output, require_change
from zoo.linalg import factorize, fix_signs, project_out, quadratic, unit_rows
from zoo_analyzers.nullspace.notes import notes_on
from zoo_analyzers.nullspace.options import NullSpaceOptions

# Directions of which the projection leaves a smaller part of the length are dropped: scaling them up amplifies noise.
SMALLEST_KEPT = 0.01


class NullSpace(Analyzer[NullSpaceOptions]):
    """Make directions local: p = (I − V_B V_Bᵀ) n, V_B (dim, r) the leading directions of the complement's Jacobian.

    The directions n are the region's own low-rank ones, or those of a file from any analysis, which keep their signs.
    The results p are unit vectors, but not orthogonal. They are ordered by first-order locality pᵀ M_F p / pᵀ M_B p,
    which is their score; M_F and M_B are the Gram matrices of the region (foreground) and of its complement
    (background). They are local for small steps, at the codes analysed, in the layers that were moved.
    """

    def analyze(self, adapter: Adapter, probe: Probe) -> Directions:
        """Project directions onto the null space of the rest of the image.

        Args:
            adapter: the network.
            probe: the codes, the region and the layers.

        Returns:
            The local directions, with the part of the length that the projection left of each.

        Raises:
            RegionError: if the region is the whole image.
            DirectionsError: for a file of directions that cannot be read, or of another space.
            CapabilityError: if the region does not change with the code.
        """
        options = self.options
        source = self._read_source(adapter.space)
        layers = source.layers if probe.layers is None and source is not None else probe.layers
        output = open_output(options, adapter, probe.progress)
        grams = self._grams(adapter, replace(probe, layers=layers), output)
        foreground, background = grams.matrices
        require_change(foreground, probe.region)
        # With factorization=spectrum, the columns of V_B carry `background_energy` of tr(M_B).
        low_rank = factorize(background, options.factorization, options.background_energy, probe.progress)
        # At least one direction is removed where there is any, and at least one dimension is left.
        removed = min(max(low_rank.rank - options.relax, min(low_rank.rank, 1)), adapter.space.dim - 1)
        vectors = self._own_directions(foreground, probe) if source is None else source.vectors
        local = _localize(vectors, low_rank.basis[:removed], foreground, background)
        local = local.first(options.k or len(local.vectors))
        provenance = {
            "output": output.name,
            **grams.provenance,
            "rank": removed,
            "foreground": "lowrank" if options.directions is None else options.directions.name,
            "came_from": local.origins.tolist(),
            "dropped": local.dropped.tolist(),
            "spectrum_of": f"{low_rank.spectrum_of} of the rest of the image; coloured: what was projected out",
            "spectrum": low_rank.spectrum.tolist(),
            "notes": notes_on(options, low_rank, removed, rest_changes=bool(background.any())),
        }
        return _directions(adapter, source, local, layers, provenance)

    def _read_source(self, space: LatentSpace) -> Directions | None:
        """Read the directions to make local, if a file was named."""
        options = self.options
        if options.directions is None:
            return None
        try:
            source = Directions.load(options.directions, space=space, read_as=options.directions_as)
        except DirectionsError as error:  # the message names the option of commands that take directions
            raise DirectionsError(str(error).replace("--as ", "-o directions_as=")) from None
        if source.vectors.ndim == 3:
            raise DirectionsError(
                f"{options.directions} has a vector for each row of a code, and the null space is one of moves that "
                "are the same in all rows"
            )
        return source

    def _grams(self, adapter: Adapter, probe: Probe, output: Output) -> Grams:
        """Compute the Gram matrices of the region and of its complement."""
        return gram_matrices(
            adapter,
            probe.codes,
            [probe.region, probe.region.complement()],
            layers=probe.layers,
            output=output,
            budget=replace(probe.budget, chunk=self.options.chunk),
            progress=probe.progress,
        )

    def _own_directions(self, foreground: Tensor, probe: Probe) -> Tensor:
        """Return the region's own low-rank directions (k, dim)."""
        return factorize(foreground, self.options.factorization, self.options.energy, probe.progress).vectors


@dataclass(frozen=True, eq=False)
class _LocalDirections:
    """Projected directions, the most local first.

    Attributes:
        vectors: (k, dim), unit vectors.
        scores: (k,), first-order locality.
        kept: (k,), the part of each direction's length that the projection left.
        origins: (k,), indices among the directions before the projection.
        dropped: the kept parts of the directions that were dropped.
    """

    vectors: Tensor
    scores: Tensor
    kept: Tensor
    origins: Tensor
    dropped: Tensor

    def first(self, count: int) -> "_LocalDirections":
        return replace(
            self,
            vectors=self.vectors[:count],
            scores=self.scores[:count],
            kept=self.kept[:count],
            origins=self.origins[:count],
        )


def _localize(vectors: Tensor, basis: Tensor, foreground: Tensor, background: Tensor) -> _LocalDirections:
    """Project vectors (k, dim) out of the span of `basis`, and order them by first-order locality."""
    # (I − V_B V_Bᵀ) n
    projected = project_out(vectors, basis)
    kept = projected.norm(dim=1) / vectors.norm(dim=1)
    survivors = torch.nonzero(kept >= SMALLEST_KEPT)[:, 0]
    units = unit_rows(projected[survivors])
    # pᵀ M_F p / pᵀ M_B p; the denominator is kept above rounding error.
    smallest = torch.finfo(torch.float64).eps * background.trace().clamp(min=torch.finfo(torch.float64).tiny)
    scores = quadratic(units, foreground) / quadratic(units, background).clamp(min=smallest)
    order = scores.argsort(descending=True, stable=True)
    origins = survivors[order]
    return _LocalDirections(units[order], scores[order], kept[origins], origins, kept[kept < SMALLEST_KEPT])


def _directions(
    adapter: Adapter,
    source: Directions | None,
    local: _LocalDirections,
    layers: tuple[int, ...] | None,
    provenance: dict[str, Any],
) -> Directions:
    """Wrap local directions; those from a file keep their signs and attributes."""
    attributes = None
    if source is not None and source.attributes is not None:
        attributes = tuple(source.attributes[index] for index in local.origins)
    vectors = fix_signs(local.vectors) if source is None else local.vectors
    return Directions(adapter.space, vectors, local.scores, layers, local.kept, provenance, attributes)
