"""GANSpace, "Discovering Interpretable GAN Controls" (Härkönen et al., NeurIPS 2020, arXiv 2004.02546)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from zoo import Adapter, Analyzer, CapabilityError, Directions, LayersError, Probe
from zoo_ganspace.options import GANSpaceOptions
from zoo_ganspace.pca import components_of_activations, components_of_codes, moments


class GANSpace(Analyzer[GANSpaceOptions]):
    """Find the principal components of many codes, or of their first-layer activations.

    In a space whose codes a mapping network makes (w), the principal components of the codes are the directions. Codes
    that are drawn from a normal distribution (z) have no distinguished direction. There, the components of the
    activations of the first linear layer are mapped back to codes by least squares. Scores are variances.
    """

    def analyze(self, adapter: Adapter, probe: Probe) -> Directions:
        """Draw codes with the truncation and the classes of the probe's codes, and decompose their covariance.

        Args:
            adapter: the generator.
            probe: the codes, and the layers to move or, for activations, to read.

        Returns:
            At most `k` components, of largest variance first.

        Raises:
            LayersError: no projection reads the layers, or codes with a single row are asked for layers.
            CapabilityError: activations are asked for and the network declares no projection.

        """
        space = adapter.space
        where = self._where(adapter)
        weight, layers_read = self._first_layer(adapter, probe) if where == "activations" else (None, [])
        if weight is None and space.layers == 1 and probe.layers is not None:
            raise LayersError(f"--layers: components of codes read no projection, and {space} has a single row")
        drawn = moments(self._draw(adapter, probe))
        components = components_of_codes(drawn) if weight is None else components_of_activations(drawn, weight)
        count = min(self.options.k, len(components.variances))
        return Directions(
            space,
            components.directions[:count],
            components.variances[:count],
            probe.layers if space.layers > 1 else None,
            provenance={
                "components_of": where,
                "projections": layers_read,
                "drawn": drawn.count,
                "explained": (components.variances[:count] / components.total).tolist(),
                "rank": count,
                "spectrum_of": f"Variances of the principal components of {where}; coloured: the directions returned",
                "spectrum": components.variances.tolist(),
            },
        )

    def _where(self, adapter: Adapter) -> str:
        """Resolve the option `where`: auto means codes in spaces like w, whose codes have several rows."""
        if self.options.where != "auto":
            return self.options.where
        return "codes" if adapter.space.layers > 1 else "activations"

    def _first_layer(self, adapter: Adapter, probe: Probe) -> tuple[Tensor, list[int]]:
        """Stack the projections of the chosen layers, by default of the first: weight (out, dim), and the layers."""
        projections = list(adapter.projections())
        if not projections:
            raise CapabilityError(f"this network declares no projection in {adapter.space}")
        candidates = [projection for projection in projections if not projection.geometric] or projections
        layers = probe.layers or (min(projection.layer for projection in candidates),)
        read = [projection for projection in projections if projection.layer in layers]
        if not read:
            raise LayersError(f"no projection reads the layers {', '.join(map(str, layers))}")
        weight = torch.cat([projection.weight for projection in read])
        return weight, sorted({projection.layer for projection in read})

    def _draw(self, adapter: Adapter, probe: Probe) -> Iterator[Tensor]:
        """Draw batches of codes (n, dim); of codes with rows, the mean of the rows that the probe names.

        The rows of a drawn code differ only in their truncation, which scales them towards the same mean. So the mean
        of rows has the same principal components.
        """
        options = self.options
        for done in range(0, options.draws, options.batch):
            probe.progress(done, options.draws, "drawing codes")
            latents = draw_more(adapter, probe, min(options.batch, options.draws - done))
            rows = slice(None) if probe.layers is None else list(probe.layers)
            yield latents[:, rows].mean(dim=1) if adapter.space.layers > 1 else latents
        probe.progress(options.draws, options.draws, "drawing codes")


def draw_more(adapter: Adapter, probe: Probe, count: int) -> Tensor:
    """Draw further codes like those of a probe, with its truncation and, in turn, its classes.

    Args:
        adapter: the generator.
        probe: the codes to follow, and the generator of random numbers.
        count: the number of codes.

    Returns:
        (count, dim) or (count, layers, dim) latents.

    """
    codes = probe.codes
    labels = None
    if codes.labels is not None:
        repeats = -(-count // len(codes))  # rounded up
        labels = codes.labels.cpu().repeat(repeats)[:count]
    with torch.no_grad():
        return adapter.sample(count, probe.generator, labels, codes.truncation).latents
