"""The BigGAN adapter: a normal code z, of which every block reads a part, and a class."""

from __future__ import annotations

from typing import Self

from zoo.nn import BlockSpec, ResidualAdapter, ResidualGenerator, untrained
from zoo_adapters.biggan.checkpoint import LAYOUTS


class BigGAN(ResidualAdapter):
    """A BigGAN generator (Brock, Donahue & Simonyan, ICLR 2019) that reads its code in parts, as ajbrock's port."""

    family = "BigGAN"
    layouts = LAYOUTS
    epsilon = 1e-5
    last_epsilon = 1e-5

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of 16x16 pixels and 3 classes, with attention and codes of 4 + 3 + 3 numbers.

        Args:
            seed: the same seed gives the same weights.

        Returns:
            The adapter.
        """
        specs = [BlockSpec(8, 8, attention=True), BlockSpec(8, 4)]
        return cls(untrained(ResidualGenerator(specs, 4, first_dim=4, chunk_dim=3, classes=3, embedding_dim=2), seed))
