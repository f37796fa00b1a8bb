"""The StyleGAN adapter: codes w with a row for each layer, z or styles, and the affine maps as projections of w."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch

from zoo import Projection, State
from zoo.nn import StyleAdapter, StyleNetwork, choose_noise, name_row_pairs
from zoo_adapters.stylegan.checkpoint import LAYOUTS, flip_fused, network_from_state
from zoo_adapters.stylegan.network import StyleGANGenerator, untrained


class StyleGAN(StyleAdapter):
    """A StyleGAN generator, in w (a row for each layer), z or s; conditional ones read labels when z is mapped."""

    family = "StyleGAN"
    spaces = ("w", "z", "s")
    truncation_cutoff = 8
    layouts = LAYOUTS
    network: StyleGANGenerator

    @classmethod
    def build_network(cls, state: State, config: Mapping[str, Any]) -> StyleGANGenerator:
        """Build the network; see `StyleAdapter.build_network`.

        Args:
            state: the canonical state.
            config: as `network_from_state` takes it.

        Returns:
            The network, its weights not filled in.
        """
        return network_from_state(state, config)

    @classmethod
    def configure(cls, network: StyleNetwork, config: Mapping[str, Any]) -> None:
        """Choose the noise, and flip the weights of fused upsampling layers.

        Args:
            network: the network, to be changed in place.
            config: `noise`, `noise_seed` and `fused`.
        """
        assert isinstance(network, StyleGANGenerator)
        choose_noise(network.layers, config)
        with torch.no_grad():
            flip_fused(network, config.get("fused", "auto"))

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of 16x16 pixels with codes of 6 x 8 numbers.

        Args:
            seed: the same seed gives the same weights.

        Returns:
            The adapter.
        """
        return cls(untrained(8, [8, 6, 4], seed))

    def layer_names(self) -> dict[str, tuple[int, ...]]:
        """Name the rows of w after resolutions, and as the literature does: coarse, middle and fine.

        Returns:
            The rows by name; none for z and s.
        """
        return name_row_pairs(self.space.name, self.space.layers, self.resolution[0])

    def projections(self) -> list[Projection]:
        """List every layer's affine map from its row of w to its styles.

        Returns:
            For w, a projection for each row, whose weight has a row for each scale and then for each shift. For z,
            none: the code is normalised before any weight is applied to it. For s, none: styles are what the maps give.
        """
        if self.space.name != "w":
            return []
        indices = range(self.network.num_ws)
        return [Projection(index, self.network.get_parameter(f"layers.{index}.affine.weight")) for index in indices]
