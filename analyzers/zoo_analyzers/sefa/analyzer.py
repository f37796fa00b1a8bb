"""SeFa, "Closed-Form Factorization of Latent Semantics in GANs" (Shen & Zhou, CVPR 2021, arXiv 2007.06600)."""

import torch
from torch import Tensor

from zoo import Adapter, Analyzer, CapabilityError, Directions, LayersError, Probe, Projection
from zoo.linalg import eigenvectors, numerical_rank, unit_rows
from zoo_analyzers.sefa.options import SeFaOptions


class SeFa(Analyzer[SeFaOptions]):
    """Find the unit directions n that maximise ‖A n‖², A being the weight of the first affine step (equation 5).

    They are the eigenvectors of AᵀA, and their scores are the eigenvalues. No code is drawn and no image is rendered.
    """

    def analyze(self, adapter: Adapter, probe: Probe) -> Directions:
        """Factorize the projections of the probe's layers.

        Args:
            adapter: the network; its `projections` are the weights A, layer by layer.
            probe: `layers` chooses the projections; None for all that are not geometric.

        Returns:
            At most `k` directions, fewer if A has a lower rank.

        Raises:
            CapabilityError: if the network declares no projection in this space.
            LayersError: if no projection reads the layers.
        """
        projections = _chosen(adapter, probe)
        weight = torch.cat([self._prepare(projection.weight) for projection in projections])
        # Stationary points of ‖A n‖² on the unit sphere: AᵀA n = λ n.
        values, vectors = eigenvectors(weight.T @ weight)
        count = min(self.options.k, numerical_rank(values))
        return Directions(
            adapter.space,
            vectors[:count],
            values[:count],
            probe.layers if adapter.space.layers > 1 else None,
            provenance={
                "projections": sorted({projection.layer for projection in projections}),
                "rank": count,
                "spectrum_of": "Eigenvalues of AᵀA; coloured: the directions returned",
                "spectrum": values.tolist(),
            },
        )

    def _prepare(self, weight: Tensor) -> Tensor:
        """Convert one projection (out, dim) to float64, without its zero rows, and normalise rows if asked."""
        rows = weight.detach().to("cpu", torch.float64)
        rows = rows[rows.norm(dim=1) > 0]
        return unit_rows(rows) if self.options.normalize else rows


def _chosen(adapter: Adapter, probe: Probe) -> list[Projection]:
    """List the projections of the probe's layers."""
    layers = probe.layers
    if layers is None:
        projections = [projection for projection in adapter.projections() if not projection.geometric]
        if not projections:
            raise CapabilityError(f"this network declares no projection in {adapter.space}")
        return projections
    projections = [projection for projection in adapter.projections() if projection.layer in layers]
    if not projections:
        raise LayersError(f"no projection reads the layers {', '.join(map(str, layers))}")
    return projections
