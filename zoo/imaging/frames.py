"""A network's picture within a photograph: cutting it out, and carrying a change back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

_Vector = tuple[float, float]


@dataclass(frozen=True)
class Frame:
    """A rectangle in a photograph, turned by any angle; parts of it may lie outside.

    Positions are x and y in pixels, from the photograph's top left corner.

    Attributes:
        corner: The position of the rectangle's top left corner.
        right: The vector from there to its top right corner.
        down: The vector from there to its bottom left corner.
    """

    corner: _Vector
    right: _Vector
    down: _Vector

    @classmethod
    def upright(cls, left: float, top: float, width: float, height: float) -> Frame:
        """Describe a rectangle that is not turned.

        Args:
            left: Its first column, which may be a fraction, as may the others.
            top: Its first row.
            width: Its number of columns.
            height: Its number of rows.

        Returns:
            The frame.
        """
        return cls((left, top), (width, 0.0), (0.0, height))

    @property
    def is_upright(self) -> bool:
        """Whether it is not turned."""
        return self.right[1] == self.down[0] == 0 < min(self.right[0], self.down[1])

    @property
    def width(self) -> float:
        """Its number of the photograph's pixels from left to right."""
        return math.hypot(*self.right)

    @property
    def height(self) -> float:
        """Its number of the photograph's pixels from top to bottom."""
        return math.hypot(*self.down)

    def scaled(self, across: float, down: float) -> Frame:
        """Return the frame in a photograph of another size.

        Args:
            across: How many times as wide it is.
            down: How many times as high.

        Returns:
            The frame.
        """
        points = ((x * across, y * down) for x, y in (self.corner, self.right, self.down))
        return Frame(*points)

    def outside(self, size: tuple[int, int]) -> float:
        """Tell how much of the frame lies outside a photograph.

        Args:
            size: Width and height of the photograph.

        Returns:
            A share of the frame's area, from a grid of 64 x 64 points.
        """
        x, y = self._positions(64, 64)
        return float(((x < 0) | (y < 0) | (x > size[0]) | (y > size[1])).mean())

    def cut(self, photograph: Image.Image) -> Image.Image:
        """Cut the frame out, at the photograph's own scale.

        Args:
            photograph: Of mode ``RGB``.

        Returns:
            The rectangle, turned upright by cubic interpolation, of `width` x `height` pixels; what lies outside the
            photograph is mirrored at its border.
        """
        width, height = max(1, round(self.width)), max(1, round(self.height))
        x, y = self._positions(width, height)
        left, top = math.floor(x.min()) - 3, math.floor(y.min()) - 3
        right, bottom = math.ceil(x.max()) + 3, math.ceil(y.max()) + 3
        around = _mirrored(photograph, left, top, right, bottom)
        step = [(vector[0] / width, vector[1] / height) for vector in zip(self.right, self.down, strict=True)]
        matrix = (*step[0], self.corner[0] - left, *step[1], self.corner[1] - top)
        return around.transform((width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)

    def carry(self, photograph: Image.Image, change: Tensor) -> Image.Image:
        """Add a change of the network's picture to the photograph.

        Args:
            photograph: Of mode ``RGB``.
            change: What to add, (3, h, w), of pictures in [-1, 1]. It should vanish towards the borders.

        Returns:
            The photograph, of its own size. Pixels where the change is 0 keep their values.
        """
        x, y = self._positions(2, 2, corners=True)
        left, top = max(0, math.floor(x.min())), max(0, math.floor(y.min()))
        right, bottom = min(photograph.width, math.ceil(x.max())), min(photograph.height, math.ceil(y.max()))
        if left >= right or top >= bottom:
            return photograph.copy()
        grid = self._grid(left, top, right, bottom).to(torch.float32)
        small = _at_most(change.float(), (round(self.height), round(self.width)))
        added = grid_sample(small[None], grid[None], mode="bicubic", padding_mode="zeros", align_corners=False)[0]
        result = photograph.copy()
        pixels = np.asarray(photograph.crop((left, top, right, bottom)), dtype=np.float32)
        changed = pixels + added.movedim(0, -1).numpy() * 127.5
        result.paste(Image.fromarray(changed.round().clip(0, 255).astype(np.uint8)), (left, top))
        return result

    def _positions(self, columns: int, rows: int, *, corners: bool = False) -> tuple[NDArray[np.float64], ...]:
        """Return x and y (rows, columns) of the middles of the cells of a grid over the frame, or of its corners."""
        shift, spread = (0.0, 1) if corners else (0.5, 0)
        u = ((np.arange(columns) + shift) / (columns - spread))[None, :]
        v = ((np.arange(rows) + shift) / (rows - spread))[:, None]
        return tuple(self.corner[axis] + u * self.right[axis] + v * self.down[axis] for axis in (0, 1))

    def _grid(self, left: int, top: int, right: int, bottom: int) -> Tensor:
        """Return where the photograph's pixels lie in the frame, from -1 to 1 along its sides: (rows, columns, 2)."""
        inverse = np.linalg.inv(np.array([self.right, self.down]).T)
        x = np.arange(left, right)[None, :] + 0.5 - self.corner[0]
        y = np.arange(top, bottom)[:, None] + 0.5 - self.corner[1]
        shares = [inverse[axis, 0] * x + inverse[axis, 1] * y for axis in (0, 1)]
        return torch.from_numpy(np.stack(shares, axis=-1)) * 2 - 1


def _mirrored(photograph: Image.Image, left: int, top: int, right: int, bottom: int) -> Image.Image:
    """Crop a rectangle that may reach beyond the photograph, which is continued by its mirror image there."""
    columns = _reflected(np.arange(left, right), photograph.width)
    rows = _reflected(np.arange(top, bottom), photograph.height)
    return Image.fromarray(np.asarray(photograph)[rows[:, None], columns[None, :]])


def _reflected(indices: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    folded = indices % (2 * length)
    return np.minimum(folded, 2 * length - 1 - folded)


def _at_most(change: Tensor, shape: tuple[int, int]) -> Tensor:
    """Shrink a change, by area, to a shape that is smaller; enlarging is left to the interpolation."""
    target = [max(1, min(own, other)) for own, other in zip(change.shape[1:], shape, strict=True)]
    return change if list(change.shape[1:]) == target else interpolate(change[None], size=target, mode="area")[0]
