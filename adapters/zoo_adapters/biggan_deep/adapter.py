"""BigGAN-deep as zoo sees it: a normal code z, which every block reads whole, and a class."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from zoo import Codes
from zoo.core import truncated
from zoo.nn import BlockSpec, ResidualAdapter, ResidualGenerator, untrained
from zoo_adapters.biggan_deep.checkpoint import LAYOUTS
from zoo_adapters.biggan_deep.network import SteppedNorm, check_truncation

_BOUND = 2.0


class BigGANDeep(ResidualAdapter):
    """A BigGAN-deep generator (Brock, Donahue & Simonyan, ICLR 2019, appendix B), as DeepMind released it."""

    family = "BigGAN-deep"
    layouts = LAYOUTS
    norm = SteppedNorm
    epsilon = 1e-4

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of 16x16 pixels and 3 classes, with codes of 5 numbers, and attention."""
        plans = [
            BlockSpec(8, 8, bottleneck=2, upsample=False, shortcut=False),
            BlockSpec(8, 8, bottleneck=2, shortcut=False, attention=True),
            BlockSpec(8, 4, bottleneck=2, shortcut=False),
        ]
        network = ResidualGenerator(plans, 4, first=5, chunk=0, shared=True, classes=3, embedding=2, norm=SteppedNorm)
        return cls(untrained(network, seed))

    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw z from a standard normal cut off at ± 2, times `truncation`, which chooses the statistics as well.

        Raises `CodesError` for a truncation that does not lie within 0 and 1.
        """
        scale = check_truncation(truncation)
        z, labels = self._draw(count, generator, labels)
        return Codes(truncated(z, _BOUND) * scale, labels, truncation)
