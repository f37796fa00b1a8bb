"""ReSeFa, "Region-Based Semantic Factorization in GANs" (Zhu et al., ICML 2022, arXiv 2202.09649)."""

from dataclasses import replace
from typing import Any

from torch import Tensor

from zoo import Adapter, Analyzer, CapabilityError, Directions, Probe
from zoo.jacobian import Grams, Output, leading_or_gram, no_change, open_output, require_change
from zoo.linalg import generalized_eigh
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
        probe = replace(probe, budget=replace(probe.budget, chunk=options.chunk))
        output = open_output(options, adapter, probe.progress)
        regions, obstacle = [probe.region, probe.region.complement()], self._obstacle(output)
        found, record = leading_or_gram(
            adapter,
            probe,
            regions,
            options.k,
            method=options.method,
            output=output,
            tau=options.tau,
            obstacle=obstacle,
        )
        record["output"] = output.name
        if not isinstance(found, Grams):
            return self._directions(adapter, probe, found.values, found.rows, record)
        region, rest = found.matrices
        require_change(region, probe.region)
        if not bool(rest.any()):
            raise CapabilityError(
                f"nothing but region {probe.region.text} changes with the code, and every edit is local: use lowrank"
            )
        quotients, rows = generalized_eigh(region, rest, options.tau)
        return self._directions(adapter, probe, quotients, rows, {**record, **found.provenance})

    def _obstacle(self, output: Output) -> str | None:
        """Say why there can be no search."""
        if not self.options.tau:
            return "it needs a tau above 0"
        return None if output.per_pixel else "it needs rows that belong to pixels, so output=grey or rgb"

    def _directions(
        self, adapter: Adapter, probe: Probe, quotients: Tensor, rows: Tensor, record: dict[str, Any]
    ) -> Directions:
        if not bool((quotients > 0).any()):
            raise no_change(probe.region)
        count = min(self.options.k, len(rows))
        record |= {
            "rank": count,
            "spectrum_of": "Quotients of the region's change and the rest's; coloured: the directions returned",
            "spectrum": quotients.tolist(),
        }
        return Directions(adapter.space, rows[:count], quotients[:count], probe.layers, provenance=record)
