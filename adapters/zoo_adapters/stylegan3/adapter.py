"""The StyleGAN3 adapter: codes w with a row for the input and for each layer, or z; affine maps as projections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import torch

from zoo import Layout, Projection, State
from zoo.nn import StyleAdapter, StyleNetwork
from zoo_adapters.stylegan3.checkpoint import LAYOUTS
from zoo_adapters.stylegan3.layers import name_rows
from zoo_adapters.stylegan3.network import StyleGAN3Generator, untrained
from zoo_adapters.stylegan3.settings import StyleGAN3Settings
from zoo_adapters.stylegan3.synthesis_conversion import lrelu_upsampling_ratio, network_from_state


class StyleGAN3(StyleAdapter):
    """A StyleGAN3 generator, in w (a row for the input and for each layer) or in z; conditional ones read labels."""

    family = "StyleGAN3"
    layouts: ClassVar[Sequence[Layout]] = LAYOUTS
    settings = StyleGAN3Settings
    network: StyleGAN3Generator

    @classmethod
    def build_network(cls, state: State, config: Mapping[str, Any]) -> StyleGAN3Generator:
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
        """Apply the options that change what is folded into the weights: `output_scale` and `lrelu_upsampling`.

        Args:
            network: the network, to be changed in place.
            config: the options that were chosen, and what takes their place if none was: `scale` and `plans`.
        """
        assert isinstance(network, StyleGAN3Generator)
        with torch.no_grad():
            for parameter in (network.to_rgb.weight, network.to_rgb.bias):
                parameter.mul_(config.get("output_scale", config["scale"]) / config["scale"])
            for layer in network.layers:
                # The first filter makes up for the zeros between the points.
                layer.get_buffer("up_filter").mul_(lrelu_upsampling_ratio(config))

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of configuration T, of 8x8 pixels, with codes of 4 x 6 numbers.

        Args:
            seed: the same seed gives the same weights.

        Returns:
            The adapter.
        """
        return cls(untrained(6, [4, 4, 3], [8, 10, 8], seed))

    def layer_names(self) -> dict[str, tuple[int, ...]]:
        """Name the rows of w after the sampling rates of the maps: ``input``, ``16x16`` and so on, and ``ToRGB``.

        Returns:
            The rows by name; none for z.
        """
        return {} if self.space.name == "z" else name_rows(self.network.rates())

    def projections(self) -> list[Projection]:
        """List every layer's affine map from its row of w to its styles; the last row's is that of ToRGB.

        Returns:
            For w, a projection for each row. That of row 0 is geometric: it rotates and translates the whole image. For
            z, none: the code is normalised before any weight is applied to it.
        """
        if self.space.name == "z":
            return []
        names = ["input", *(f"layers.{index}" for index in range(self.network.num_ws - 2)), "to_rgb"]
        weights = [self.network.get_parameter(f"{name}.affine.weight") for name in names]
        return [Projection(index, weight, geometric=index == 0) for index, weight in enumerate(weights)]
