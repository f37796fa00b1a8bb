"""The null-space projection of LowRankGAN (Zhu et al., NeurIPS 2021, arXiv 2106.04488, section 3.3)."""

from dataclasses import replace
from typing import Any

from torch import Tensor

from zoo import Adapter, Analyzer, Directions, DirectionsError, LatentSpace, OptionError, Probe
from zoo.jacobian import Grams, Output, gram_matrices, is_large, open_output, require_change, require_searchable
from zoo.linalg import LowRank, factorize, fix_signs
from zoo_analyzers.nullspace.bases import LocalDirections, generalized_basis, project_directions
from zoo_analyzers.nullspace.notes import notes_on
from zoo_analyzers.nullspace.options import NullSpaceOptions
from zoo_analyzers.nullspace.preserve import attribute_gram, preserved_names
from zoo_analyzers.nullspace.searching import obstacle_to_search, search_directions


class NullSpace(Analyzer[NullSpaceOptions]):
    """Find local directions: those of the null space of the complement's Jacobian, in which the rest hardly changes.

    The null space is what is orthogonal to V_B (dim, r), the leading directions of the complement's Jacobian. By
    default, its directions are the ones that change the region most for what is left of a change of the rest, each
    beside the others (`generalized_basis`). The published form projects directions onto it, p = (I − V_B V_Bᵀ) n: the
    region's own low-rank ones, or those of a file from any analysis, which keep their signs.

    The results are unit vectors, but not orthogonal, ordered by their score: how local they are to first order. They
    are local for small steps, at the codes analysed, in the layers that were moved.
    """

    def analyze(self, adapter: Adapter, probe: Probe) -> Directions:
        """Find directions in the null space of the rest of the image.

        Args:
            adapter: the network.
            probe: the codes, the region and the layers.

        Returns:
            The local directions; with the published form, the part of the length that the projection left of each.

        Raises:
            CapabilityError: if attributes shall be preserved, and no scorer that fits gives gradients.
            OptionError: for a file of directions with basis=generalized.
            RegionError: if the region is the whole image.
            DirectionsError: for a file of directions that cannot be read, or of another space.
            CapabilityError: if the region does not change with the code.
        """
        options = self.options
        source = self._read_source(adapter.space, probe)
        if options.method == "sketched" or (options.method == "auto" and is_large(adapter.space.dim)):
            return self._search(adapter, probe, source)
        preserved = preserved_names(options.preserve, probe, options.scorer) if options.preserve else []
        layers = source.layers if probe.layers is None and source is not None else probe.layers
        output = open_output(options, adapter, probe.progress)
        grams = self._grams(adapter, replace(probe, layers=layers), output)
        foreground, background = grams.matrices
        require_change(foreground, probe.region)
        if preserved:
            background = self._beside_attributes(adapter, replace(probe, layers=layers), background)
        # With factorization=spectrum, the columns of V_B carry this share of tr(M_B).
        low_rank = factorize(background, options.factorization, options.share_projected_out, probe.progress)
        # At least one direction is removed where there is any, and at least one dimension is left.
        rank = low_rank.rank if options.background_rank is None else options.background_rank
        removed = min(max(rank - options.relax, min(low_rank.rank, 1)), adapter.space.dim - 1)
        own = factorize(foreground, options.factorization, options.energy, probe.progress)
        given = own.vectors if source is None else source.vectors
        local = self._localize(given, low_rank, removed, foreground, background)
        local = local.first(options.k or len(given))
        provenance = {
            "output": output.name,
            **grams.provenance,
            "rank": removed,
            "basis": "generalized" if options.generalized else "published",
            **_origins(source, options, local),
            **({"preserved": preserved} if preserved else {}),
            "spectrum_of": f"{low_rank.spectrum_of} of the rest of the image; coloured: what was projected out",
            "spectrum": low_rank.spectrum.tolist(),
            "notes": notes_on(options, low_rank, removed, rest_changes=bool(background.any())),
        }
        return _directions(adapter, source, local, layers, provenance)

    def _search(self, adapter: Adapter, probe: Probe, source: Directions | None) -> Directions:
        """Search for the directions by products with the Jacobian."""
        options = self.options
        require_searchable(probe, obstacle_to_search(options))
        layers = source.layers if probe.layers is None and source is not None else probe.layers
        output = open_output(options, adapter, probe.progress)
        if not output.per_pixel:
            raise OptionError("a search needs rows that belong to pixels, so -o output=grey or rgb")
        local, found = search_directions(adapter, replace(probe, layers=layers), output, options, source)
        provenance = {"output": output.name, **found, **_origins(source, options, local)}
        return _directions(adapter, source, local, layers, provenance)

    def _read_source(self, space: LatentSpace, probe: Probe) -> Directions | None:
        """Read the directions to make local, if a file was named."""
        options = self.options
        if options.directions is None:
            return None
        if options.generalized:
            raise OptionError(
                f"basis=generalized finds directions of its own: leave directions={options.directions} out, or pass "
                "basis=published to make these local"
            )
        try:
            source = Directions.load(options.directions, space=space, read_as=options.directions_as)
        except DirectionsError as error:  # the message names the option of commands that take directions
            raise DirectionsError(str(error).replace("--as ", "-o directions_as=")) from None
        if source.vectors.ndim == 3:
            raise DirectionsError(
                f"{options.directions} has a vector for each row of a code, and the null space is one of moves that "
                "are the same in all rows"
            )
        probe.check_directions(source)
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

    def _beside_attributes(self, adapter: Adapter, probe: Probe, background: Tensor) -> Tensor:
        """Add what attributes respond to: M_B / tr M_B + M_A, so that the pixels count as much as all attributes."""
        options = self.options
        attributes = attribute_gram(adapter, probe, options.preserve, options.scorer, options.chunk)
        scale = background.trace() if bool(background.any()) else 1.0
        return background / scale + attributes

    def _localize(
        self, vectors: Tensor, low_rank: LowRank, removed: int, foreground: Tensor, background: Tensor
    ) -> LocalDirections:
        """Choose directions of the null space, or project vectors (k, dim) onto it."""
        if self.options.generalized:
            return generalized_basis(low_rank.basis[removed:], foreground, background, self.options.tau)
        return project_directions(vectors, low_rank.basis[:removed], foreground, background)


def _origins(source: Directions | None, options: NullSpaceOptions, local: LocalDirections) -> dict[str, Any]:
    """Record which directions were projected, and what became of each; of those from the Hub, the commit."""
    if local.origins is None or local.dropped is None:
        return {}
    name = "lowrank" if options.directions is None else options.directions.name
    return {
        "foreground": name if source is None else source.provenance.get("fetched_from", name),
        "came_from": local.origins.tolist(),
        "dropped": local.dropped.tolist(),
    }


def _directions(
    adapter: Adapter,
    source: Directions | None,
    local: LocalDirections,
    layers: tuple[int, ...] | None,
    provenance: dict[str, Any],
) -> Directions:
    """Wrap local directions; those from a file keep their signs and attributes."""
    attributes = None
    if source is not None and source.attributes is not None and local.origins is not None:
        attributes = tuple(source.attributes[index] for index in local.origins)
    vectors = fix_signs(local.vectors) if source is None else local.vectors
    return Directions(adapter.space, vectors, local.scores, layers, local.kept, provenance, attributes)
