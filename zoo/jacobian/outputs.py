"""What is differentiated: grey or coloured pixels of a region, or any differentiable map of them."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from zoo.core.region import Region


class Output(ABC):
    """A differentiable map of a region's pixels.

    `name` says what it is and, where it has weights, which: Jacobians are kept under it. `per_pixel` is how many rows
    each pixel gives, in row-major order of the pixels; 0 for a map that mixes pixels, so that its rows belong to none.
    """

    name: str
    per_pixel: int = 0

    def rows(self, region: Region) -> int:
        """Say how many rows there are for a region, at most: room is made for so many."""
        return len(region.pixels) * max(self.per_pixel, 1)

    @abstractmethod
    def __call__(self, pixels: Tensor, region: Region) -> Tensor:
        """Map pixels (n, 3, p), nominally in [-1, 1], to rows (n, r): plain torch operations, forward-mode too."""


class Grey(Output):
    """The mean over channels: a row for each pixel."""

    name = "grey"
    per_pixel = 1

    def __call__(self, pixels: Tensor, region: Region) -> Tensor:
        """Average (n, 3, p) over channels: (n, p)."""
        return pixels.mean(dim=1)


class Rgb(Output):
    """Red, green and blue: three rows for each pixel."""

    name = "rgb"
    per_pixel = 3

    def __call__(self, pixels: Tensor, region: Region) -> Tensor:
        """Bring (n, 3, p) to (n, 3 p), the channels of a pixel side by side."""
        return pixels.transpose(1, 2).flatten(1)


GREY = Grey()
RGB = Rgb()
