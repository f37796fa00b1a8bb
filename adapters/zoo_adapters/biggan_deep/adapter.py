"""The BigGAN-deep adapter: a normal code z, which every block reads whole, and a class."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from zoo import Codes
from zoo.core import truncated
from zoo.nn import BlockSpec, ResidualAdapter, ResidualGenerator, untrained
from zoo_adapters.biggan_deep.checkpoint import LAYOUTS
from zoo_adapters.biggan_deep.network import TruncationNorm, check_truncation

_BOUND = 2.0


class BigGANDeep(ResidualAdapter):
    """A BigGAN-deep generator (Brock, Donahue & Simonyan, ICLR 2019, appendix B), as DeepMind released it."""

    family = "BigGAN-deep"
    layouts = LAYOUTS
    norm = TruncationNorm
    epsilon = 1e-4

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of 16x16 pixels and 3 classes, with attention and codes of 5 numbers.

        Args:
            seed: the same seed gives the same weights.

        Returns:
            The adapter.
        """
        specs = [
            BlockSpec(8, 8, bottleneck=2, upsample=False, shortcut=False),
            BlockSpec(8, 8, bottleneck=2, shortcut=False, attention=True),
            BlockSpec(8, 4, bottleneck=2, shortcut=False),
        ]
        network = ResidualGenerator(
            specs, 4, first_dim=5, chunk_dim=0, shared_code=True, classes=3, embedding_dim=2, norm=TruncationNorm
        )
        return cls(untrained(network, seed))

    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw z from a normal distribution that is truncated to ± 2, and scale it.

        Args:
            count: how many codes.
            generator: the source of random numbers, on the CPU.
            labels: (count,), or None to draw them uniformly.
            truncation: the factor of z, from 0 to 1, by which the statistics of normalisations are chosen too; None
                for 1.

        Returns:
            The codes.

        Raises:
            CodesError: for a truncation out of range.
        """
        scale = check_truncation(truncation)
        z, labels = self._draw(count, generator, labels)
        return Codes(truncated(z, _BOUND) * scale, labels, truncation)
