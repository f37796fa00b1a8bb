"""StyleGAN2 as zoo sees it: codes w with a row for each layer, or z, and the layers' affine maps as projections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from zoo import Projection, State
from zoo.nn import StyleAdapter, StyleNetwork, choose_noise
from zoo_adapters.stylegan2.checkpoint import LAYOUTS, sized
from zoo_adapters.stylegan2.network import StyleGAN2Generator, untrained


class StyleGAN2(StyleAdapter):
    """A StyleGAN2 generator, in w (a row for each layer) or in z; conditional ones read labels when z is mapped."""

    family = "StyleGAN2"
    layouts = LAYOUTS
    network: StyleGAN2Generator

    @classmethod
    def shaped(cls, state: State, config: Mapping[str, Any]) -> StyleGAN2Generator:
        """Build the network whose sizes a canonical state tells by its shapes."""
        return sized(state, config)

    @classmethod
    def prepare(cls, network: StyleNetwork, config: Mapping[str, Any]) -> None:
        """Choose the noise."""
        choose_noise(network.get_submodule("layers").children(), config)

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
