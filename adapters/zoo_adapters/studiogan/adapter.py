"""The StudioGAN adapter: a normal code z that one layer, or every block, reads, and maybe a class."""

from __future__ import annotations

from typing import Self

from zoo.nn import BlockSpec, ResidualAdapter, ResidualGenerator, untrained
from zoo_adapters.studiogan.checkpoint import LAYOUTS


class StudioGAN(ResidualAdapter):
    """An SNGAN, SAGAN, BigGAN or BigGAN-deep of PyTorch-StudioGAN (Kang, Shin & Park, TPAMI 2023)."""

    family = "StudioGAN"
    layouts = LAYOUTS
    epsilon = 1e-4

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained SAGAN of 16x16 pixels and 3 classes, with codes of 5 numbers.

        Args:
            seed: the same seed gives the same weights.

        Returns:
            The adapter.
        """
        network = ResidualGenerator(
            [BlockSpec(8, 8, attention=True), BlockSpec(8, 4)],
            4,
            first_dim=5,
            chunk_dim=0,
            classes=3,
            embedding_dim=3,
            epsilon=cls.epsilon,
        )
        return cls(untrained(network, seed))
