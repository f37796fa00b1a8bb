"""GANSpace, "Discovering Interpretable GAN Controls" (Härkönen et al., NeurIPS 2020, arXiv 2004.02546)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from zoo import Adapter, Analyzer, CapabilityError, Directions, LayersError, Probe
from zoo_ganspace.options import GANSpaceOptions
from zoo_ganspace.pca import components_of_activations, components_of_codes, moments


class GANSpace(Analyzer[GANSpaceOptions]):
    """Find the principal components of many codes, or of what the first linear layer makes of them.

    In a space whose codes a network made (w), the components of the codes are the directions. Where codes are drawn
    from a normal distribution (z), no direction stands out before a layer has weighted them: there, components of
    activations are carried back to codes by least squares. Scores are variances along the components.
    """

    def analyze(self, adapter: Adapter, probe: Probe) -> Directions:
        """Draw codes of the classes and the truncation of the probe's, and decompose their covariance.

        Raises `LayersError` for layers that no projection reads, or that single-row codes do not have, and
        `CapabilityError` where activations are asked for and no projection is declared.
        """
        options, space = self.options, adapter.space
        where = options.where if options.where != "auto" else "codes" if space.layers > 1 else "activations"
        weight, read = self._first_layer(adapter, probe) if where == "activations" else (None, [])
        if weight is None and space.layers == 1 and probe.layers is not None:
            raise LayersError(f"--layers: components of codes read no projection, and {space} has a single row")
        found = moments(self._draw(adapter, probe))
        components = components_of_codes(found) if weight is None else components_of_activations(found, weight)
        count = min(options.k, len(components.variances))
        return Directions(
            space,
            components.directions[:count],
            components.variances[:count],
            probe.layers if space.layers > 1 else None,
            provenance={
                "components_of": where,
                "projections": read,
                "drawn": found.count,
                "explained": (components.variances[:count] / components.total).tolist(),
                "rank": count,
                "spectrum_of": f"Variances of the principal components of {where}; coloured: the directions returned",
                "spectrum": components.variances.tolist(),
            },
        )

    def _first_layer(self, adapter: Adapter, probe: Probe) -> tuple[Tensor, list[int]]:
        """Stack the projections of the chosen layers, by default of the first: weight (out, dim), and those layers."""
        parts = list(adapter.projections())
        if not parts:
            raise CapabilityError(f"this network declares no projection in {adapter.space}")
        chosen = probe.layers or (min(part.layer for part in [part for part in parts if not part.geometric] or parts),)
        read = [part for part in parts if part.layer in chosen]
        if not read:
            raise LayersError(f"no projection reads the layers {', '.join(map(str, chosen))}")
        return torch.cat([part.weight for part in read]), sorted({part.layer for part in read})

    def _draw(self, adapter: Adapter, probe: Probe) -> Iterator[Tensor]:
        """Draw batches of codes (n, dim); of codes with rows, the mean of those that the probe names.

        Rows differ by truncation alone, which draws all codes towards one mean: it scales a variance, no more.
        """
        options = self.options
        for done in range(0, options.draws, options.batch):
            probe.progress(done, options.draws, "drawing codes")
            latents = draw_more(adapter, probe, min(options.batch, options.draws - done))
            rows = slice(None) if probe.layers is None else list(probe.layers)
            yield latents[:, rows].mean(dim=1) if adapter.space.layers > 1 else latents
        probe.progress(options.draws, options.draws, "drawing codes")


def draw_more(adapter: Adapter, probe: Probe, count: int) -> Tensor:
    """Draw latents with the probe's generator: of the truncation of its codes, and of their classes in turn."""
    codes = probe.codes
    labels = None if codes.labels is None else codes.labels.cpu().repeat(-(-count // len(codes)))[:count]
    with torch.no_grad():
        return adapter.sample(count, probe.generator, labels, codes.truncation).latents
