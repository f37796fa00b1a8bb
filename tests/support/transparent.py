"""A generator of transparent images whose visible and hidden changes are known."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from tests.support.linear import Linear
from zoo import Codes

SIDE = 8


class Transparent(Linear):
    """RGBA images: the left half is opaque, the right half fully transparent.

    The first number of a code moves all colours of the left half, the second those of the right half, which nobody can
    see, and the third the opacity of the upper left quarter.
    """

    channels = 4

    @classmethod
    def tiny(cls, seed: int = 0) -> Self:
        return cls(torch.zeros(SIDE**2, 3), (SIDE, SIDE))

    def synthesize(self, codes: Codes) -> Tensor:
        first, second, third = (column[:, None, None, None] for column in codes.latents.unbind(1))
        left = torch.zeros(1, 1, SIDE, SIDE).to(codes.latents)
        left[..., : SIDE // 2] = 1
        upper_left = left.clone()
        upper_left[:, :, SIDE // 2 :] = 0
        colours = (0.05 * first * left + 0.05 * second * (1 - left)).expand(-1, 3, -1, -1)
        alpha = left - (1 - left) - upper_left * 0.5 + 0.1 * third * upper_left
        return torch.cat([colours, alpha.expand(len(colours), -1, -1, -1)], dim=1)
