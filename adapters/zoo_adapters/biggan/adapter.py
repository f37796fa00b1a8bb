"""BigGAN as zoo sees it: a normal code z, of which every block reads a part, and a class."""

from __future__ import annotations

from typing import Self

from zoo.nn import BlockSpec, ResidualAdapter, ResidualGenerator, untrained
from zoo_adapters.biggan.checkpoint import LAYOUTS


class BigGAN(ResidualAdapter):
    """A BigGAN generator (Brock, Donahue & Simonyan, ICLR 2019) with a code in parts, as ajbrock's port builds it."""

    family = "BigGAN"
    layouts = LAYOUTS
    epsilon = 1e-5
    last_epsilon = 1e-5

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of 16x16 pixels and 3 classes, with codes of 4 + 3 + 3 numbers, and attention."""
        plans = [BlockSpec(8, 8, attention=True), BlockSpec(8, 4)]
        return cls(untrained(ResidualGenerator(plans, 4, first=4, chunk=3, classes=3, embedding=2), seed))
