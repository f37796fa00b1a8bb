"""The low-rank part of LowRankGAN, "Low-Rank Subspaces in GANs" (Zhu et al., NeurIPS 2021, arXiv 2106.04488)."""

from dataclasses import replace

from zoo import Adapter, Analyzer, Directions, Probe
from zoo.features import open_output
from zoo.grams import gram_matrices, require_change
from zoo.linalg import factorize
from zoo_analyzers.lowrank.options import LowRankOptions


class LowRank(Analyzer[LowRankOptions]):
    """Find the directions that change a region most: the low-rank part of M = JᵀJ / p, averaged over the codes.

    Scores are the eigenvalues of M (``spectrum``) or the singular values of its low-rank part (``published``).
    """

    def analyze(self, adapter: Adapter, probe: Probe) -> Directions:
        """Factorize the region's Jacobian at the probe's codes."""
        options = self.options
        means = replace(probe.means, chunk=options.chunk)
        output = open_output(options, adapter, probe.progress)
        grams = gram_matrices(
            adapter,
            probe.codes,
            [probe.region],
            layers=probe.layers,
            output=output,
            means=means,
            progress=probe.progress,
        )
        [matrix] = grams.matrices
        require_change(matrix, probe.region)
        found = factorize(matrix, options.factorization, options.energy, probe.progress)
        count = min(options.k or found.rank, found.rank)
        return Directions(
            adapter.space,
            found.vectors[:count],
            found.scores[:count],
            probe.layers,
            provenance={
                "spectrum_of": f"{found.spectrum_of} of the region's Jacobian; coloured: its low rank",
                "output": output.name,
                **grams.provenance,
                "rank": found.rank,
                "rounds": found.rounds,
                "spectrum": found.spectrum.tolist(),
            },
        )
