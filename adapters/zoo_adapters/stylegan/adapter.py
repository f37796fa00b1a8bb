"""StyleGAN as zoo sees it: codes w with a row for each layer, or z, and the layers' styles as projections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch

from zoo import Projection, State
from zoo.nn import StyleAdapter, StyleNetwork, choose_noise
from zoo_adapters.stylegan.checkpoint import LAYOUTS, flip_fused, sized
from zoo_adapters.stylegan.network import StyleGANGenerator, untrained


class StyleGAN(StyleAdapter):
    """A StyleGAN generator, in w (a row for each layer) or in z; conditional ones read labels when z is mapped."""

    family = "StyleGAN"
    cutoff = 8
    layouts = LAYOUTS
    network: StyleGANGenerator

    @classmethod
    def shaped(cls, state: State, config: Mapping[str, Any]) -> StyleGANGenerator:
        """Build the network whose sizes a canonical state tells by its shapes."""
        return sized(state, config.get("lod", 0.0))

    @classmethod
    def prepare(cls, network: StyleNetwork, config: Mapping[str, Any]) -> None:
        """Choose the noise, and fuse the doubling layers that are."""
        assert isinstance(network, StyleGANGenerator)
        choose_noise(network.layers, config)
        with torch.no_grad():
            flip_fused(network, config.get("fused", "auto"))

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of 16x16 pixels with codes of 6 x 8 numbers."""
        return cls(untrained(8, [8, 6, 4], seed))

    def projections(self) -> list[Projection]:
        """Return every layer's affine map from its row of w to its style: a row for each scale, then for each shift.

        In z there is none: the code is normalised before any weight touches it.
        """
        if self.space.name == "z":
            return []
        weights = (self.network.get_parameter(f"layers.{row}.affine.weight") for row in range(self.network.rows))
        return [Projection(row, weight) for row, weight in enumerate(weights)]
