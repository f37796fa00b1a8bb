"""SeFa, "Closed-Form Factorization of Latent Semantics in GANs" (Shen & Zhou, CVPR 2021, arXiv 2007.06600)."""

import torch
from torch import Tensor

from zoo import Adapter, Analyzer, CapabilityError, Directions, LayersError, Probe
from zoo.linalg import eigenvectors, numerical_rank, unit_rows
from zoo_analyzers.sefa.options import SeFaOptions


class SeFa(Analyzer[SeFaOptions]):
    """Find the unit directions n that maximise ‖A n‖², A being the first affine step's weight (equation 5).

    They are the eigenvectors of AᵀA; scores are the eigenvalues. No code is drawn and no image made.
    """

    def analyze(self, adapter: Adapter, probe: Probe) -> Directions:
        """Factorize the projections of the probe's layers.

        Raises `CapabilityError` if there is no projection, `LayersError` if none reads those layers.
        """
        parts = [
            part
            for part in adapter.projections()
            if (not part.geometric if probe.layers is None else part.layer in probe.layers)
        ]
        if not parts and probe.layers is None:
            raise CapabilityError(f"this network declares no projection in {adapter.space}")
        if not parts:
            raise LayersError(f"no projection reads the layers {', '.join(map(str, probe.layers or ()))}")
        rows = torch.cat([self._rows(part.weight) for part in parts])
        values, vectors = eigenvectors(rows.T @ rows)
        count = min(self.options.k, numerical_rank(values))
        return Directions(
            adapter.space,
            vectors[:count],
            values[:count],
            probe.layers if adapter.space.layers > 1 else None,
            provenance={
                "projections": sorted({part.layer for part in parts}),
                "rank": count,
                "spectrum_of": "Eigenvalues of AᵀA; coloured: the directions returned",
                "spectrum": values.tolist(),
            },
        )

    def _rows(self, weight: Tensor) -> Tensor:
        """Prepare one projection (out, dim): float64, zero rows dropped, the rest scaled to unit length if asked."""
        rows = weight.detach().to("cpu", torch.float64)
        rows = rows[rows.norm(dim=1) > 0]
        return unit_rows(rows) if self.options.normalize else rows
