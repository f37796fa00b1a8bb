"""What is differentiated: grey or coloured pixels of a region, or any differentiable map of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

import torch
from torch import Tensor

from zoo.core.region import Region


class Output(ABC):
    """A differentiable map of a region's pixels.

    Attributes:
        name: Its name and, where it has weights, their hash: cached Jacobians are found by it.
        per_pixel: How many rows each pixel gives, in row-major order of the pixels; 0 for a map that mixes pixels, so
            that a row belongs to no single one.
    """

    name: str
    per_pixel: int = 0

    def rows(self, region: Region) -> int:
        """Return how many rows there are at most, for which memory is reserved.

        Args:
            region: The region.

        Returns:
            The number of rows.
        """
        return len(region.pixels) * max(self.per_pixel, 1)

    def to(self, device: torch.device, dtype: torch.dtype) -> Self:
        """Move what the map computes with.

        Args:
            device: The device.
            dtype: The dtype.

        Returns:
            The same output there.
        """
        return self

    @abstractmethod
    def __call__(self, pixels: Tensor, region: Region) -> Tensor:
        """Map pixels to rows, by operations of torch that have forward-mode derivatives.

        Args:
            pixels: The pixels of the region, (n, 3, p), nominally in [-1, 1]; see `zoo.core.as_rgb`.
            region: The region.

        Returns:
            The rows, (n, r).
        """


class Grey(Output):
    """The mean over channels: one row for each pixel."""

    name = "grey"
    per_pixel = 1

    def __call__(self, pixels: Tensor, region: Region) -> Tensor:
        """Average the channels.

        Args:
            pixels: The pixels, (n, 3, p).
            region: The region.

        Returns:
            The means, (n, p).
        """
        return pixels.mean(dim=1)


class Rgb(Output):
    """Red, green and blue: three rows for each pixel."""

    name = "rgb"
    per_pixel = 3

    def __call__(self, pixels: Tensor, region: Region) -> Tensor:
        """Put the channels of each pixel side by side.

        Args:
            pixels: The pixels, (n, 3, p).
            region: The region.

        Returns:
            The channels, (n, 3 p).
        """
        return pixels.transpose(1, 2).flatten(1)


GREY = Grey()
RGB = Rgb()
