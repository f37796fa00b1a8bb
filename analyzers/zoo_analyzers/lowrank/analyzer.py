"""The low-rank part of LowRankGAN, "Low-Rank Subspaces in GANs" (Zhu et al., NeurIPS 2021, arXiv 2106.04488)."""

from dataclasses import replace
from typing import Any

import torch

from zoo import Adapter, Analyzer, Directions, Probe
from zoo.jacobian import Grams, leading_or_gram, no_change, open_output, require_change
from zoo.linalg import PartialEigen, factorize, numerical_rank
from zoo_analyzers.lowrank.options import LowRankOptions


class LowRank(Analyzer[LowRankOptions]):
    """Find the directions that change a region most: the low-rank part of M = JᵀJ / p, averaged over the codes.

    Scores are the eigenvalues of M (``spectrum``) or the singular values of the low-rank part
    of M (``pursuit``, ``published``).
    """

    def analyze(self, adapter: Adapter, probe: Probe) -> Directions:
        """Factorize the region's Jacobian at the probe's codes, or search for its leading directions.

        Raises `OptionError` for a search that is asked for and cannot be.
        """
        options, regions = self.options, [probe.region]
        probe = replace(probe, budget=replace(probe.budget, chunk=options.chunk))
        output = open_output(options, adapter, probe.progress)
        obstacle = None if self._searchable else "it needs k, and factorization=spectrum"
        found, record = leading_or_gram(
            adapter, probe, regions, options.k, method=options.method, output=output, obstacle=obstacle
        )
        record["output"] = output.name
        if isinstance(found, Grams):
            return self._factorized(adapter, probe, found, record)
        return self._searched(adapter, probe, found, record)

    @property
    def _searchable(self) -> bool:
        return self.options.factorization == "spectrum" and self.options.k is not None

    def _searched(self, adapter: Adapter, probe: Probe, found: PartialEigen, record: dict[str, Any]) -> Directions:
        rounding = torch.finfo(adapter.dtype).eps * adapter.space.dim * float(found.values[0])
        count = int((found.values > rounding).sum())
        if not count:
            raise no_change(probe.region)
        record |= {
            "rank": count,
            "spectrum_of": "Leading eigenvalues of the region's Jacobian",
            "spectrum": found.values.tolist(),
        }
        return Directions(adapter.space, found.rows[:count], found.values[:count], probe.layers, provenance=record)

    def _factorized(self, adapter: Adapter, probe: Probe, grams: Grams, record: dict[str, Any]) -> Directions:
        options, [matrix] = self.options, grams.matrices
        require_change(matrix, probe.region)
        found = factorize(matrix, options.factorization, options.energy, probe.progress)
        if self._searchable:  # k alone decides
            count = min(options.k or 0, numerical_rank(found.spectrum))
        else:
            count = min(options.k or found.rank, found.rank)
        record |= {
            "spectrum_of": f"{found.spectrum_of} of the region's Jacobian; coloured: its low rank",
            **grams.provenance,
            "rank": count if self._searchable else found.rank,
            "rounds": found.rounds,
            "gap": found.gap,
            "spectrum": found.spectrum.tolist(),
        }
        return Directions(adapter.space, found.basis[:count], found.spectrum[:count], probe.layers, provenance=record)
