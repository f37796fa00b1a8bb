"""ReSeFa, "Region-Based Semantic Factorization in GANs" (Zhu et al., ICML 2022, arXiv 2202.09649)."""

from dataclasses import replace

from zoo import Adapter, Analyzer, CapabilityError, Directions, Probe
from zoo.grams import gram_matrices, require_change
from zoo.linalg import quotient_directions
from zoo_analyzers.resefa.options import ReSeFaOptions


class ReSeFa(Analyzer[ReSeFaOptions]):
    """Find the directions that maximise nᵀ M_F n / nᵀ (M_B + τ tr(M_B) I) n: the region's change over the rest's.

    M_F and M_B are JᵀJ / p of the region and of its complement, averaged over the codes. Rows are unit, not orthogonal;
    scores are the quotients. τ keeps small a quotient whose denominator is next to nothing, and with it the step that a
    visible change needs. Directions that move neither the region nor the rest, as a code's own where the network
    normalises it, are left out. The claim holds for small steps, at the codes analysed, for the rows that were moved.
    """

    def analyze(self, adapter: Adapter, probe: Probe) -> Directions:
        """Solve the eigenproblem at the probe's codes.

        Raises `RegionError` if the region has no complement, `CapabilityError` if one of both does not change at all,
        or if with τ = 0 some direction moves the region alone.
        """
        options = self.options
        means = replace(probe.means, chunk=options.chunk)
        regions = [probe.region, probe.region.complement()]
        grams = gram_matrices(adapter, probe.codes, regions, layers=probe.layers, means=means, progress=probe.progress)
        region, rest = grams.matrices
        require_change(region, probe.region)
        if not bool(rest.any()):
            raise CapabilityError(
                f"nothing but region {probe.region.text} changes with the code, and every edit is local: use lowrank"
            )
        quotients, rows = quotient_directions(region, rest, options.tau)
        count = min(options.k, len(rows))
        return Directions(
            adapter.space,
            rows[:count],
            quotients[:count],
            probe.layers,
            provenance={
                **grams.provenance,
                "rank": count,
                "spectrum_of": "Quotients of the region's change and the rest's; coloured: the directions returned",
                "spectrum": quotients.tolist(),
            },
        )
