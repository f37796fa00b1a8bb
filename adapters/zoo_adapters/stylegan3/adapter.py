"""StyleGAN3 as zoo sees it: codes w with a row for the input and for each layer, or z; affine maps as projections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from zoo import Projection, State
from zoo.nn import StyleAdapter
from zoo_adapters.stylegan3.checkpoint import LAYOUTS, sized
from zoo_adapters.stylegan3.network import StyleGAN3Generator, untrained


class StyleGAN3(StyleAdapter):
    """A StyleGAN3 generator, in w (a row for the input and for each layer) or in z; conditional ones read labels."""

    family = "StyleGAN3"
    layouts = LAYOUTS
    network: StyleGAN3Generator

    @classmethod
    def shaped(cls, state: State, config: Mapping[str, Any]) -> StyleGAN3Generator:
        """Build the network whose sizes a canonical state and its config tell."""
        return sized(state, config)

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of configuration T, of 8x8 pixels, with codes of 4 x 6 numbers."""
        return cls(untrained(6, [4, 4, 3], [8, 10, 8], seed))

    def projections(self) -> list[Projection]:
        """Return every layer's affine map from its row of w to the scales of channels; the last row's is the colours'.

        Row 0 turns and shifts the whole picture, so its map is `geometric`. In z there is none, because the code is
        normalised before any weight touches it.
        """
        if self.space.name == "z":
            return []
        names = ["input", *(f"layers.{index}" for index in range(self.network.rows - 2)), "colour"]
        weights = [self.network.get_parameter(f"{name}.affine.weight") for name in names]
        return [Projection(row, weight, geometric=row == 0) for row, weight in enumerate(weights)]
