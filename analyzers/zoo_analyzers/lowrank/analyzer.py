"""The low-rank part of LowRankGAN, "Low-Rank Subspaces in GANs" (Zhu et al., NeurIPS 2021, arXiv 2106.04488)."""

from dataclasses import replace
from typing import Any

import torch

from zoo import Adapter, Analyzer, Directions, Probe
from zoo.jacobian import Grams, is_large, leading_or_gram, no_change, note_on_search, open_output, require_change
from zoo.linalg import PartialEigen, factorize, numerical_rank
from zoo_analyzers.lowrank.options import LowRankOptions


class LowRank(Analyzer[LowRankOptions]):
    """Find the directions that change a region most: the low-rank part of M = JᵀJ / p, averaged over the codes.

    J (p, dim) is the Jacobian of the region's p outputs with respect to the code. Scores are the eigenvalues of M
    (``spectrum``), or the singular values of the low-rank part of M (``pursuit``, ``published``).
    """

    def analyze(self, adapter: Adapter, probe: Probe) -> Directions:
        """Factorize M, or search for its leading eigenvectors where that is cheaper.

        Args:
            adapter: the network.
            probe: the codes, the region and the layers.

        Returns:
            The directions, by decreasing score.

        Raises:
            CapabilityError: if the region does not change with the code.
            OptionError: for `method=sketched` where no search is possible.
        """
        probe = replace(probe, budget=replace(probe.budget, chunk=self.options.chunk))
        output = open_output(self.options, adapter, probe.progress)
        large = is_large(adapter.space.dim)
        searchable = self._searchable or (large and self.options.factorization == "spectrum")
        needed = "factorization=spectrum" if large else "k, and factorization=spectrum"
        result, provenance = leading_or_gram(
            adapter,
            probe,
            [probe.region],
            self.options.k,
            method=self.options.method,
            output=output,
            obstacle=None if searchable else f"it needs {needed}",
        )
        provenance["output"] = output.name
        # M itself where its dim² numbers are cheaper than products with J and Jᵀ.
        if isinstance(result, Grams):
            return self._from_gram(adapter, probe, result, provenance)
        return self._from_search(adapter, probe, result, provenance)

    @property
    def _searchable(self) -> bool:
        return self.options.factorization == "spectrum" and self.options.k is not None

    def _from_search(
        self, adapter: Adapter, probe: Probe, eigen: PartialEigen, provenance: dict[str, Any]
    ) -> Directions:
        """Keep the eigenvectors whose eigenvalues are above rounding error."""
        # λ_i below ε · dim · λ_1 is rounding error.
        rounding = torch.finfo(adapter.dtype).eps * adapter.space.dim * float(eigen.values[0])
        count = int((eigen.values > rounding).sum())
        if not count:
            raise no_change(probe.region)
        provenance |= {
            "rank": count,
            "spectrum_of": "Leading eigenvalues of the region's Jacobian",
            "spectrum": eigen.values.tolist(),
            "notes": [*note_on_search(eigen), *self._unused()],
        }
        return Directions(adapter.space, eigen.rows[:count], eigen.values[:count], probe.layers, provenance=provenance)

    def _empty(self) -> str:
        return f"factorization={self.options.factorization} finds rank 0: use factorization=spectrum"

    def _unused(self) -> list[str]:
        """Name an option that was given and changes nothing."""
        options = self.options
        if "energy" not in options.model_fields_set or not (self._searchable or options.factorization != "spectrum"):
            return []
        instead = f"k={options.k}" if self._searchable else f"factorization={options.factorization}"
        return [f"energy was not used: {instead} decides how many directions there are"]

    def _from_gram(self, adapter: Adapter, probe: Probe, grams: Grams, provenance: dict[str, Any]) -> Directions:
        [gram] = grams.matrices
        require_change(gram, probe.region)
        low_rank = factorize(gram, self.options.factorization, self.options.energy, probe.progress)
        # With k and factorization=spectrum, k alone decides, whatever share of the energy the directions carry.
        rank = numerical_rank(low_rank.spectrum) if self._searchable else low_rank.rank
        count = min(self.options.k or rank, rank)
        provenance |= {
            "spectrum_of": f"{low_rank.spectrum_of} of the region's Jacobian; coloured: its low rank",
            **grams.provenance,
            "rank": count if self._searchable else low_rank.rank,
            "rounds": low_rank.rounds,
            "gap": low_rank.gap,
            "spectrum": low_rank.spectrum.tolist(),
            "notes": [*([] if low_rank.rank else [self._empty()]), *self._unused()],
        }
        vectors = low_rank.basis[:count]
        return Directions(adapter.space, vectors, low_rank.spectrum[:count], probe.layers, provenance=provenance)
