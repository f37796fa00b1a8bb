"""Windows: rectangles of feature maps, and the values in them. `zoo.nn.local_layers` computes with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoo.core.region import Region

# The first index, and the index after the last one.
Span = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """A rectangle of a feature map.

    Attributes:
        rows: first row, and the row after the last one.
        columns: first column, and the column after the last one.
    """

    rows: Span
    columns: Span

    @classmethod
    def whole(cls, size: tuple[int, int]) -> Window:
        """Return the window that covers a whole map.

        Args:
            size: height and width of the map.

        Returns:
            Rows [0, height) and columns [0, width).
        """
        return cls((0, size[0]), (0, size[1]))

    @classmethod
    def around(cls, region: Region) -> Window:
        """Return the bounding box of a region.

        Args:
            region: pixels of an image; at least one.

        Returns:
            The smallest window that holds every pixel of the region.
        """
        rows = np.flatnonzero(region.mask.any(axis=1))
        columns = np.flatnonzero(region.mask.any(axis=0))
        return cls((int(rows[0]), int(rows[-1]) + 1), (int(columns[0]), int(columns[-1]) + 1))

    def __or__(self, other: Window) -> Window:
        """Return the smallest window that holds both."""
        return Window(_hull(self.rows, other.rows), _hull(self.columns, other.columns))

    def clip(self, size: tuple[int, int]) -> Window:
        """Remove what lies beyond the borders of a map.

        Args:
            size: height and width of the map.

        Returns:
            The part of the window that lies on the map.
        """
        return Window(overlap(self.rows, (0, size[0])), overlap(self.columns, (0, size[1])))


@dataclass(frozen=True, eq=False)
class Patch:
    """The part of a feature map that lies in a window.

    Attributes:
        values: (n, channels, rows, columns), as many rows and columns as the window has.
        window: where the values lie on the map.
    """

    values: Tensor
    window: Window

    @classmethod
    def whole(cls, values: Tensor) -> Patch:
        """Wrap a whole feature map.

        Args:
            values: (n, channels, height, width).

        Returns:
            The values with the window that covers all of them.
        """
        return cls(values, Window.whole((values.shape[-2], values.shape[-1])))

    def crop(self, window: Window) -> Patch:
        """Return the values of a smaller window.

        Args:
            window: a window that lies within this patch's own.

        Returns:
            A view of the values, with that window.
        """
        values = _narrow(self.values, -2, self.window.rows, window.rows)
        return Patch(_narrow(values, -1, self.window.columns, window.columns), window)

    def pixels(self, region: Region) -> Tensor:
        """Select the pixels of a region.

        Args:
            region: pixels of the map, all of which lie within the window.

        Returns:
            (n, channels, p) for a region of p pixels, in row-major order.
        """
        (top, bottom), (left, right) = self.window.rows, self.window.columns
        inside = region.mask[top:bottom, left:right]
        values = self.values.flatten(2)
        if inside.all():
            return values
        return values[..., torch.from_numpy(np.flatnonzero(inside)).to(values.device)]


def _narrow(values: Tensor, axis: int, available: Span, wanted: Span) -> Tensor:
    if available == wanted:
        return values
    return values.narrow(axis, wanted[0] - available[0], wanted[1] - wanted[0])


def _hull(one: Span, other: Span) -> Span:
    return min(one[0], other[0]), max(one[1], other[1])


def overlap(one: Span, other: Span) -> Span:
    """Return the part of one span that lies in another.

    Args:
        one: a span.
        other: another span, which overlaps it.

    Returns:
        The indices that lie in both.
    """
    return max(one[0], other[0]), min(one[1], other[1])
