"""ReSeFa, "Region-Based Semantic Factorization in GANs" (Zhu et al., ICML 2022, arXiv 2202.09649)."""

from dataclasses import replace
from typing import Any

from torch import Tensor

from zoo import Adapter, Analyzer, CapabilityError, Directions, Probe
from zoo.jacobian import Grams, Output, leading_or_gram, no_change, note_on_search, open_output, require_change
from zoo.linalg import generalized_eigh
from zoo_analyzers.resefa.options import ReSeFaOptions

# M_B is at most tr(M_B) I, so that from such a τ on it changes the denominator by a tenth at most.
_LARGE_TAU = 10


class ReSeFa(Analyzer[ReSeFaOptions]):
    """Find the directions that maximise nᵀ M_F n / nᵀ (M_B + τ tr(M_B) I) n: the region's change over the rest's.

    M_F and M_B are JᵀJ / p of the region (foreground) and of its complement (background), averaged over the codes. The
    maximum is the generalised eigenproblem M_F n = λ (M_B + τ tr(M_B) I) n. Directions are unit vectors, but not
    orthogonal, and their scores are the quotients λ.

    τ bounds the quotients of directions that hardly change the rest, and with them the steps that a visible change
    needs. Directions that change neither the region nor the rest are left out, such as the code's own direction where
    the network normalises it. Directions are local for small steps, at the codes analysed, in the layers that were
    moved.
    """

    def analyze(self, adapter: Adapter, probe: Probe) -> Directions:
        """Solve the eigenproblem, or search for its leading eigenvectors where that is cheaper.

        Args:
            adapter: the network.
            probe: the codes, the region and the layers.

        Returns:
            At most `k` directions, by decreasing quotient.

        Raises:
            RegionError: if the region is the whole image.
            CapabilityError: if the region or its complement does not change with the code, or, with τ = 0, if a
                direction changes the region alone.
            OptionError: for `method=sketched` where no search is possible.
        """
        options = self.options
        probe = replace(probe, budget=replace(probe.budget, chunk=options.chunk))
        output = open_output(options, adapter, probe.progress)
        result, provenance = leading_or_gram(
            adapter,
            probe,
            [probe.region, probe.region.complement()],
            options.k,
            method=options.method,
            output=output,
            tau=options.tau,
            obstacle=self._obstacle(output),
        )
        provenance["output"] = output.name
        if not isinstance(result, Grams):
            notes = [*self._notes(), *note_on_search(result)]
            return self._directions(adapter, probe, result.values, result.rows, {**provenance, "notes": notes})
        foreground, background = result.matrices
        require_change(foreground, probe.region)
        if not bool(background.any()):
            raise CapabilityError(
                f"nothing but region {probe.region.text} changes with the code, and every edit is local: use lowrank"
            )
        # M_F n = λ (M_B + τ tr(M_B) I) n
        quotients, vectors = generalized_eigh(foreground, background, options.tau)
        found = {**provenance, **result.provenance}
        return self._directions(adapter, probe, quotients, vectors, {**found, "notes": self._notes()})

    def _notes(self) -> list[str]:
        """Say where the rest of the image does not count."""
        if self.options.tau < _LARGE_TAU:
            return []
        return [f"tau={self.options.tau:g} is so large that the rest of the image hardly counts, as in lowrank"]

    def _obstacle(self, output: Output) -> str | None:
        """Say why no search is possible; None if one is."""
        if not self.options.tau:
            return "it needs a tau above 0"
        return None if output.per_pixel else "it needs rows that belong to pixels, so output=grey or rgb"

    def _directions(
        self, adapter: Adapter, probe: Probe, quotients: Tensor, vectors: Tensor, provenance: dict[str, Any]
    ) -> Directions:
        if not bool((quotients > 0).any()):
            raise no_change(probe.region)
        count = min(self.options.k, len(vectors))
        provenance |= {
            "rank": count,
            "spectrum_of": "Quotients of the region's change and the rest's; coloured: the directions returned",
            "spectrum": quotients.tolist(),
        }
        return Directions(adapter.space, vectors[:count], quotients[:count], probe.layers, provenance=provenance)
