"""Windows: which part of each layer's input a part of its output needs, and the layers computed on that part alone.

A generator of local layers renders a region from a window of each of its feature maps. It plans backwards, from the
window of the image (`Window.around`) to the windows of the inputs (`input_window` of each layer), and computes
forwards: each layer takes a `Patch` and the window that is wanted of its output. Zeros are padded where a
window reaches beyond the map, and nowhere else, so that every number is the one that the whole layer would have given.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from zoo.core.region import Region

Span = tuple[int, int]
"""A first index, and the one after the last."""


@dataclass(frozen=True)
class Window:
    """A rectangle of a feature map: its rows and its columns."""

    rows: Span
    columns: Span

    @classmethod
    def whole(cls, size: tuple[int, int]) -> Window:
        """Take all of a map of `size` (height, width)."""
        return cls((0, size[0]), (0, size[1]))

    @classmethod
    def around(cls, region: Region) -> Window:
        """Take the smallest window that holds every pixel of a region."""
        rows, columns = (np.flatnonzero(region.mask.any(axis=axis)) for axis in (1, 0))
        return cls((int(rows[0]), int(rows[-1]) + 1), (int(columns[0]), int(columns[-1]) + 1))

    def __or__(self, other: Window) -> Window:
        """Take the smallest window that holds both."""
        (top, bottom), (left, right) = (
            (min(one[0], two[0]), max(one[1], two[1]))
            for one, two in ((self.rows, other.rows), (self.columns, other.columns))
        )
        return Window((top, bottom), (left, right))

    def within(self, size: tuple[int, int]) -> Window:
        """Leave out what lies beyond a map of `size`."""
        return Window(_overlap(self.rows, (0, size[0])), _overlap(self.columns, (0, size[1])))


@dataclass(frozen=True, eq=False)
class Patch:
    """The part of a feature map that lies in a window: `values` (n, channels, rows, columns)."""

    values: Tensor
    window: Window

    @classmethod
    def whole(cls, values: Tensor) -> Patch:
        """Take a whole map (n, channels, height, width)."""
        return cls(values, Window.whole((values.shape[-2], values.shape[-1])))

    def cut(self, window: Window) -> Patch:
        """Cut a window that lies within this one."""
        values = _narrow(self.values, -2, self.window.rows, window.rows)
        return Patch(_narrow(values, -1, self.window.columns, window.columns), window)

    def pixels(self, region: Region) -> Tensor:
        """Pick the pixels of a region that lies within: (n, channels, p), in row-major order."""
        (top, bottom), (left, right) = self.window.rows, self.window.columns
        inside = region.mask[top:bottom, left:right]
        values = self.values.flatten(2)
        if inside.all():
            return values
        return values[..., torch.from_numpy(np.flatnonzero(inside)).to(values.device)]


@dataclass(frozen=True)
class LocalLayer(ABC):
    """A layer each of whose outputs reads a few neighbouring inputs, by the same rule along rows and columns."""

    def input_window(self, wanted: Window, size: tuple[int, int]) -> Window:
        """Give the window of an input of `size` (height, width) that the window `wanted` of the output needs."""
        return self._unclipped_window(wanted).within(size)

    def _unclipped_window(self, wanted: Window) -> Window:
        """Give that window as if the input went on beyond its borders."""
        return self._turned(self._span, wanted)

    def _turned(self, rule: Callable[[Span], Span], window: Window) -> Window:
        """Apply a rule to the axes that the layer acts along."""
        return Window(rule(window.rows), rule(window.columns))

    def _held(self, x: Patch, wanted: Window) -> Patch:
        """Cut what is needed and there is."""
        needed = self._unclipped_window(wanted)
        return x.cut(Window(_overlap(needed.rows, x.window.rows), _overlap(needed.columns, x.window.columns)))

    @abstractmethod
    def _span(self, wanted: Span) -> Span:
        """Give the inputs that some outputs need, along one axis."""


@dataclass(frozen=True)
class Kernel(LocalLayer):
    """A layer with a kernel of `kernel` taps along both axes, or along the rows' numbers or the columns' alone."""

    kernel: int
    padding: int = 0
    stride: int = 1
    along: Literal["both", "rows", "columns"] = "both"

    @abstractmethod
    def __call__(self, x: Patch, wanted: Window, weight: Tensor, bias: Tensor | None = None, groups: int = 1) -> Patch:
        """Compute a window of the output."""

    def filter(self, x: Patch, wanted: Window, taps: Tensor) -> Patch:
        """Filter every channel by itself: by `taps` (t, t), or by (t,) along one axis and then along the other."""
        channels = x.values.shape[1]
        if taps.ndim == 2:
            return self(x, wanted, taps.expand(channels, 1, -1, -1), groups=channels)
        between = Window(self._held(x, wanted).window.rows, wanted.columns)
        rows = taps.expand(channels, 1, 1, -1)
        across = replace(self, along="columns")(x, between, rows, groups=channels)
        return replace(self, along="rows")(across, wanted, rows.transpose(2, 3), groups=channels)

    def _turned(self, rule: Callable[[Span], Span], window: Window) -> Window:
        rows = window.rows if self.along == "columns" else rule(window.rows)
        return Window(rows, window.columns if self.along == "rows" else rule(window.columns))

    @property
    def _strides(self) -> tuple[int, int]:
        return 1 if self.along == "columns" else self.stride, 1 if self.along == "rows" else self.stride


@dataclass(frozen=True)
class Convolution(Kernel):
    """A convolution, or a filter by channel: output o reads the inputs o · stride − padding + tap."""

    def __call__(self, x: Patch, wanted: Window, weight: Tensor, bias: Tensor | None = None, groups: int = 1) -> Patch:
        """Compute a window of the output; weights are those of `torch.nn.functional.conv2d`."""
        held, needed = self._held(x, wanted), self._unclipped_window(wanted)
        (above, below), (left, right) = (
            (there[0] - first, end - there[1])
            for (first, end), there in ((needed.rows, held.window.rows), (needed.columns, held.window.columns))
        )
        both = min(above, below), min(left, right)
        extra = left - both[1], right - both[1], above - both[0], below - both[0]
        values = functional.pad(held.values, extra) if any(extra) else held.values
        return Patch(functional.conv2d(values, weight, bias, self._strides, both, groups=groups), wanted)

    def _span(self, wanted: Span) -> Span:
        first, last = (output * self.stride - self.padding for output in (wanted[0], wanted[1] - 1))
        return first, last + self.kernel


@dataclass(frozen=True)
class TransposedConvolution(Kernel):
    """A transposed convolution: input i adds to the outputs i · stride − padding + tap."""

    def __call__(self, x: Patch, wanted: Window, weight: Tensor, bias: Tensor | None = None, groups: int = 1) -> Patch:
        """Compute a window of the output; weights are those of `torch.nn.functional.conv_transpose2d`."""
        held = self._held(x, wanted)
        made = self._turned(self._reached, held.window)
        drop = _margin(made.rows, wanted.rows), _margin(made.columns, wanted.columns)
        values = functional.conv_transpose2d(held.values, weight, bias, self._strides, drop, groups=groups)
        return Patch(values, Window(_shrink(made.rows, drop[0]), _shrink(made.columns, drop[1]))).cut(wanted)

    def _span(self, wanted: Span) -> Span:
        first = -((self.kernel - 1 - self.padding - wanted[0]) // self.stride)
        return first, (wanted[1] - 1 + self.padding) // self.stride + 1

    def _reached(self, held: Span) -> Span:
        """Give the outputs that some inputs add to, padding not yet dropped."""
        first, last = (index * self.stride - self.padding for index in (held[0], held[1] - 1))
        return first, last + self.kernel


@dataclass(frozen=True)
class NearestUpsample(LocalLayer):
    """Nearest-neighbour upsampling by a whole `factor`."""

    factor: int = 2

    def __call__(self, x: Patch, wanted: Window) -> Patch:
        """Compute a window of the output."""
        return _upsampled(self._held(x, wanted), self.factor, "nearest").cut(wanted)

    def _span(self, wanted: Span) -> Span:
        return wanted[0] // self.factor, (wanted[1] - 1) // self.factor + 1


@dataclass(frozen=True)
class BilinearUpsample(LocalLayer):
    """Bilinear upsampling by a whole `factor`, corners not aligned: beyond the border, pixels are as at the border."""

    factor: int = 2

    def __call__(self, x: Patch, wanted: Window) -> Patch:
        """Compute a window of the output."""
        return _upsampled(self._held(x, wanted), self.factor, "bilinear").cut(wanted)

    def _span(self, wanted: Span) -> Span:
        first, last = (((2 * output + 1 - self.factor) // (2 * self.factor)) for output in (wanted[0], wanted[1] - 1))
        return first, last + 2


def _upsampled(x: Patch, factor: int, mode: str) -> Patch:
    """Upsample a patch as if nothing lay around it, so that `bilinear` is off near the window's own edges."""
    (top, bottom), (left, right) = x.window.rows, x.window.columns
    values = functional.interpolate(x.values, scale_factor=float(factor), mode=mode)
    return Patch(values, Window((top * factor, bottom * factor), (left * factor, right * factor)))


def _narrow(values: Tensor, axis: int, held: Span, wanted: Span) -> Tensor:
    if held == wanted:
        return values
    return values.narrow(axis, wanted[0] - held[0], wanted[1] - wanted[0])


def _overlap(one: Span, other: Span) -> Span:
    return max(one[0], other[0]), min(one[1], other[1])


def _margin(outer: Span, inner: Span) -> int:
    return min(inner[0] - outer[0], outer[1] - inner[1])


def _shrink(span: Span, margin: int) -> Span:
    return span[0] + margin, span[1] - margin
