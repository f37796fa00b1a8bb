"""StyleGAN2 as zoo sees it: codes w with a row for each layer, or z, and the layers' affine maps as projections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch

from zoo import Projection, State
from zoo.mapped import MappedAdapter, MappedNetwork
from zoo_adapters.stylegan2.checkpoint import LAYOUTS, sized
from zoo_adapters.stylegan2.network import Generator, untrained


class StyleGAN2(MappedAdapter):
    """A StyleGAN2 generator, in w (a row for each layer) or in z; conditional ones read labels when z is mapped."""

    family = "StyleGAN2"
    layouts = LAYOUTS
    network: Generator

    @classmethod
    def shaped(cls, state: State, config: Mapping[str, Any]) -> Generator:
        """Build the network whose sizes a canonical state tells by its shapes."""
        return sized(state)

    @classmethod
    def prepare(cls, network: MappedNetwork, config: Mapping[str, Any]) -> None:
        """Keep the noise that is stored in the file, use none, or one that is drawn, layer by layer, from a seed."""
        noise, generator = config.get("noise", "stored"), torch.Generator().manual_seed(config.get("noise_seed", 0))
        for layer in network.get_submodule("layers").children():
            stored = layer.get_buffer("noise")
            if noise == "none":
                layer.get_buffer("strength").zero_()
            elif noise == "drawn":
                stored.copy_(torch.randn(stored.shape, generator=generator))

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of 16x16 pixels with codes of 6 x 8 numbers."""
        return cls(untrained(8, [8, 6, 4], seed))

    def projections(self) -> list[Projection]:
        """Return every layer's affine map from its row of w to the scales of channels; the last row's is the colours'.

        In z there is none: the code is normalised before any weight touches it.
        """
        if self.space.name == "z":
            return []
        names = [*(f"layers.{row}" for row in range(self.network.rows - 1)), f"colours.{self.network.rows // 2 - 1}"]
        return [Projection(row, self.network.get_parameter(f"{name}.affine.weight")) for row, name in enumerate(names)]
