"""The StyleGAN2 adapter: codes w with a row for each layer, z or styles, and the affine maps as projections of w."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from zoo import Projection, State
from zoo.nn import StyleAdapter, StyleNetwork, choose_noise
from zoo_adapters.stylegan2.checkpoint import LAYOUTS, network_from_state
from zoo_adapters.stylegan2.layers import name_rows
from zoo_adapters.stylegan2.network import StyleGAN2Generator, untrained
from zoo_adapters.stylegan2.settings import StyleGAN2Settings


class StyleGAN2(StyleAdapter):
    """A StyleGAN2 generator, in w (a row for each layer), z or s; conditional ones read labels when z is mapped."""

    family = "StyleGAN2"
    spaces = ("w", "z", "s")
    layouts = LAYOUTS
    settings = StyleGAN2Settings
    network: StyleGAN2Generator

    @classmethod
    def build_network(cls, state: State, config: Mapping[str, Any]) -> StyleGAN2Generator:
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
        """Choose the noise.

        Args:
            network: the network, to be changed in place.
            config: `noise` and `noise_seed`.
        """
        choose_noise(network.get_submodule("layers").children(), config)

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
        sizes = self.network.sizes()
        return name_rows([*sizes, sizes[-1]]) if self.space.name == "w" else {}

    def projections(self) -> list[Projection]:
        """List every layer's affine map from its row of w to its styles; the last row's is that of the last ToRGB.

        Returns:
            For w, a projection for each row. For z, none: the code is normalised before any weight is applied to it.
            For s, none: styles are what the maps give.
        """
        if self.space.name != "w":
            return []
        last = self.network.num_ws - 1
        names = [*(f"layers.{index}" for index in range(last)), f"to_rgb.{last // 2}"]
        weights = [self.network.get_parameter(f"{name}.affine.weight") for name in names]
        return [Projection(index, weight) for index, weight in enumerate(weights)]
