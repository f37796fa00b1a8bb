"""The StyleSwin adapter: codes w with a row for each block, or z, and the blocks' affine maps as projections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch

from zoo import Projection, State
from zoo.nn import StyleAdapter, name_row_pairs
from zoo_adapters.styleswin.blocks import LevelSpec
from zoo_adapters.styleswin.checkpoint import LAYOUTS, network_from_state
from zoo_adapters.styleswin.network import StyleSwinGenerator, untrained


class StyleSwin(StyleAdapter):
    """A StyleSwin generator, in w (a row for each block) or in z."""

    family = "StyleSwin"
    layouts = LAYOUTS
    network: StyleSwinGenerator

    @classmethod
    def build_network(cls, state: State, config: Mapping[str, Any]) -> StyleSwinGenerator:
        """Build the network; see `StyleAdapter.build_network`.

        Args:
            state: the canonical state.
            config: not read.

        Returns:
            The network, its weights not filled in.
        """
        return network_from_state(state)

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of 8x8 pixels with codes of 4 x 8 numbers; its last windows are shifted.

        Args:
            seed: the same seed gives the same weights.

        Returns:
            The adapter.
        """
        specs = [LevelSpec(8, window=4, hidden=2), LevelSpec(8, window=4, hidden=2, biased=False)]
        return cls(untrained(8, specs, seed))

    def layer_names(self) -> dict[str, tuple[int, ...]]:
        """Name the rows of w after resolutions, and as the literature does: coarse, middle and fine.

        Returns:
            The rows by name; none for z.
        """
        return name_row_pairs(self.space.name, self.space.layers, self.resolution[0])

    def projections(self) -> list[Projection]:
        """List every block's affine maps from its row of w to the styles of its two normalisations.

        Returns:
            For w, a projection for each row, whose weight has the rows of both maps. For z, none: the code is
            normalised before any weight is applied to it.
        """
        if self.space.name == "z":
            return []
        names = [[f"blocks.{index}.affine{number}.weight" for number in (1, 2)] for index in range(self.network.num_ws)]
        weights = [torch.cat([self.network.get_parameter(name) for name in pair]) for pair in names]
        return [Projection(index, weight) for index, weight in enumerate(weights)]
