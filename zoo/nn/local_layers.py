"""Layers that compute only a window of their output, and the arithmetic that tells which input they need for it.

A generator renders a region of its image cheaply by computing only a window of each feature map. It proceeds in two
passes:

1. *Plan backwards.* Start from the window of the image (`Window.around(region)`), and ask each layer, from the last to
   the first, which window of its input it needs: `layer.input_window(output_window, input_size)`.
2. *Compute forwards.* Each layer takes a `Patch` (values and their window) and the window wanted of its output.

Along each axis, a window is a half-open span of indices. The rules, for a kernel of k taps, padding p and stride s:

- `Convolution`: output o reads the inputs o·s − p … o·s − p + k − 1. The outputs [a, b) need
  [a·s − p, (b − 1)·s − p + k).
- `TransposedConvolution`: input i adds to the outputs i·s − p … i·s − p + k − 1. The outputs [a, b) need
  [⌈(a + p − k + 1) / s⌉, ⌊(b − 1 + p) / s⌋ + 1).
- `NearestUpsample`: output o is input ⌊o / f⌋, f being the factor.

For example, rows [4, 6) of a map of 16 rows, made by a 3x3 convolution (k = 3, p = 1) after a transposed convolution
of 4x4 taps (k = 4, p = 1, s = 2) from a map of 8 rows:

    >>> convolution = Convolution(kernel=3, padding=1)
    >>> upsample = TransposedConvolution(kernel=4, padding=1, stride=2)
    >>> middle = convolution.input_window(Window((4, 6), (0, 16)), (16, 16))
    >>> middle.rows                                                        # 4 - 1 … 5 + 1
    (3, 7)
    >>> upsample.input_window(middle, (8, 8)).rows                         # ⌈(3 + 1 - 3) / 2⌉ … ⌊(6 + 1) / 2⌋
    (1, 4)

Windows are clipped to the map. Where a window reaches beyond the map's border, the layer pads with zeros, and nowhere
else. So every number is the one that the layer would have computed for the whole map.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor
from torch.nn import functional

from zoo.nn.constant_convolution import convolve
from zoo.nn.window import Patch, Span, Window, overlap


@dataclass(frozen=True)
class LocalLayer(ABC):
    """A layer whose outputs each read a few neighbouring inputs, by the same rule along rows and along columns."""

    def input_window(self, output_window: Window, input_size: tuple[int, int]) -> Window:
        """Return the window of the input that a window of the output needs.

        Args:
            output_window: the part of the output that is to be computed.
            input_size: height and width of the layer's whole input.

        Returns:
            The smallest such window, clipped to the input.
        """
        return self._unclipped_window(output_window).clip(input_size)

    def _unclipped_window(self, output_window: Window) -> Window:
        """Return the needed window as if the input went on beyond its borders."""
        return self._apply_per_axis(self._input_span, output_window)

    def _apply_per_axis(self, rule: Callable[[Span], Span], window: Window) -> Window:
        """Apply a rule to the axes that the layer acts along."""
        return Window(rule(window.rows), rule(window.columns))

    def _needed(self, x: Patch, output_window: Window) -> Patch:
        """Crop a patch to what the output window needs, as far as the patch has it."""
        needed = self._unclipped_window(output_window)
        return x.crop(Window(overlap(needed.rows, x.window.rows), overlap(needed.columns, x.window.columns)))

    @abstractmethod
    def _input_span(self, outputs: Span) -> Span:
        """Return the inputs that a span of outputs needs, along one axis."""


@dataclass(frozen=True)
class Kernel(LocalLayer):
    """A layer with a kernel.

    Attributes:
        kernel: taps along each axis that the layer acts along.
        padding: as `torch.nn.functional.conv2d` or `conv_transpose2d` take it.
        stride: the same.
        along: "both" axes; or "rows", a kernel (kernel, 1) that moves from row to row; or "columns", one (1, kernel).
    """

    kernel: int
    padding: int = 0
    stride: int = 1
    along: Literal["both", "rows", "columns"] = "both"

    @abstractmethod
    def __call__(
        self, x: Patch, output_window: Window, weight: Tensor, bias: Tensor | None = None, groups: int = 1
    ) -> Patch:
        """Compute a window of the output.

        Args:
            x: a patch of the input that covers at least `input_window(output_window, …)`.
            output_window: the window to compute.
            weight: (out, in / groups, kernel, kernel) for a convolution, (in, out / groups, kernel, kernel) for a
                transposed one.
            bias: (out,), or None.
            groups: as torch's function takes it.

        Returns:
            The patch (n, out, rows, columns) of that window.
        """

    def filter(self, x: Patch, output_window: Window, taps: Tensor) -> Patch:
        """Filter each channel by itself.

        Args:
            x: a patch of the input that covers at least `input_window(output_window, …)`.
            output_window: the window to compute.
            taps: (kernel, kernel); or (kernel,), applied along the columns and then along the rows.

        Returns:
            The patch of that window, of as many channels as x has.
        """
        channels = x.values.shape[1]
        if taps.ndim == 2:
            return self(x, output_window, taps.expand(channels, 1, -1, -1), groups=channels)
        # A separable filter t tᵀ: along the columns, for all rows that are needed, and then along the rows.
        between = Window(self._needed(x, output_window).window.rows, output_window.columns)
        row_taps = taps.expand(channels, 1, 1, -1)
        filtered = replace(self, along="columns")(x, between, row_taps, groups=channels)
        return replace(self, along="rows")(filtered, output_window, row_taps.transpose(2, 3), groups=channels)

    def _apply_per_axis(self, rule: Callable[[Span], Span], window: Window) -> Window:
        rows = window.rows if self.along == "columns" else rule(window.rows)
        return Window(rows, window.columns if self.along == "rows" else rule(window.columns))

    @property
    def _strides(self) -> tuple[int, int]:
        return 1 if self.along == "columns" else self.stride, 1 if self.along == "rows" else self.stride


@dataclass(frozen=True)
class Convolution(Kernel):
    """A convolution, or a filter of each channel: output o reads the inputs o · stride − padding + tap."""

    def __call__(
        self, x: Patch, output_window: Window, weight: Tensor, bias: Tensor | None = None, groups: int = 1
    ) -> Patch:
        """Compute a window of the output as `torch.nn.functional.conv2d` would; see `Kernel`."""
        available = self._needed(x, output_window)
        needed = self._unclipped_window(output_window)
        above, below = _missing(needed.rows, available.window.rows)
        left, right = _missing(needed.columns, available.window.columns)
        # conv2d pads both ends of an axis alike. It gets what both ends lack; functional.pad adds the rest of one end.
        padding = min(above, below), min(left, right)
        extra = left - padding[1], right - padding[1], above - padding[0], below - padding[0]
        values = functional.pad(available.values, extra) if any(extra) else available.values
        return Patch(
            convolve(values, weight, bias, stride=self._strides, padding=padding, groups=groups), output_window
        )

    def _input_span(self, outputs: Span) -> Span:
        first = outputs[0] * self.stride - self.padding
        last = (outputs[1] - 1) * self.stride - self.padding
        return first, last + self.kernel


@dataclass(frozen=True)
class TransposedConvolution(Kernel):
    """A transposed convolution: input i adds to the outputs i · stride − padding + tap."""

    def __call__(
        self, x: Patch, output_window: Window, weight: Tensor, bias: Tensor | None = None, groups: int = 1
    ) -> Patch:
        """Compute a window of the output as `torch.nn.functional.conv_transpose2d` would; see `Kernel`."""
        available = self._needed(x, output_window)
        reached = self._apply_per_axis(self._reached_span, available.window)
        # The inputs reach beyond the window. conv_transpose2d drops as much at both ends (its padding), crop the rest.
        padding = _margin(reached.rows, output_window.rows), _margin(reached.columns, output_window.columns)
        values = convolve(
            available.values, weight, bias, stride=self._strides, padding=padding, groups=groups, transposed=True
        )
        computed = Window(_shrink(reached.rows, padding[0]), _shrink(reached.columns, padding[1]))
        return Patch(values, computed).crop(output_window)

    def _input_span(self, outputs: Span) -> Span:
        # −⌊−x / s⌋ is ⌈x / s⌉.
        first = -((self.kernel - 1 - self.padding - outputs[0]) // self.stride)
        return first, (outputs[1] - 1 + self.padding) // self.stride + 1

    def _reached_span(self, inputs: Span) -> Span:
        """Return the outputs that a span of inputs adds to."""
        first = inputs[0] * self.stride - self.padding
        last = (inputs[1] - 1) * self.stride - self.padding
        return first, last + self.kernel


@dataclass(frozen=True)
class NearestUpsample(LocalLayer):
    """Nearest-neighbour upsampling.

    Attributes:
        factor: how many rows and columns each pixel becomes.
    """

    factor: int = 2

    def __call__(self, x: Patch, output_window: Window) -> Patch:
        """Compute a window of the output.

        Args:
            x: a patch of the input that covers at least `input_window(output_window, …)`.
            output_window: the window to compute.

        Returns:
            The patch of that window.
        """
        return _upsample(self._needed(x, output_window), self.factor, "nearest").crop(output_window)

    def _input_span(self, outputs: Span) -> Span:
        return outputs[0] // self.factor, (outputs[1] - 1) // self.factor + 1


@dataclass(frozen=True)
class BilinearUpsample(LocalLayer):
    """Bilinear upsampling, corners not aligned; pixels beyond the border count as those at the border.

    Attributes:
        factor: how many rows and columns each pixel becomes.
    """

    factor: int = 2

    def __call__(self, x: Patch, output_window: Window) -> Patch:
        """Compute a window of the output.

        Args:
            x: a patch of the input that covers at least `input_window(output_window, …)`.
            output_window: the window to compute.

        Returns:
            The patch of that window.
        """
        return _upsample(self._needed(x, output_window), self.factor, "bilinear").crop(output_window)

    def _input_span(self, outputs: Span) -> Span:
        # Output o lies at (o + ½) / f − ½ = (2 o + 1 − f) / (2 f) of the input, between two of its pixels.
        first = (2 * outputs[0] + 1 - self.factor) // (2 * self.factor)
        last = (2 * (outputs[1] - 1) + 1 - self.factor) // (2 * self.factor)
        return first, last + 2


def _upsample(x: Patch, factor: int, mode: str) -> Patch:
    """Upsample a patch as if nothing lay around it, so that `bilinear` is off near the window's own edges."""
    (top, bottom), (left, right) = x.window.rows, x.window.columns
    # BilinearUpsample._input_span asks for a pixel more at each end, so that such pixels are cropped.
    values = functional.interpolate(x.values, scale_factor=float(factor), mode=mode)
    return Patch(values, Window((top * factor, bottom * factor), (left * factor, right * factor)))


def _missing(needed: Span, available: Span) -> Span:
    """Count the indices that are needed before the first and after the last available one."""
    return available[0] - needed[0], needed[1] - available[1]


def _margin(outer: Span, inner: Span) -> int:
    return min(inner[0] - outer[0], outer[1] - inner[1])


def _shrink(span: Span, margin: int) -> Span:
    return span[0] + margin, span[1] - margin
