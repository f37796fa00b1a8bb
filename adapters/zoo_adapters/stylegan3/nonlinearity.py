"""The leaky ReLU at a higher sampling rate (Karras et al., NeurIPS 2021, section 3.2), and its derivative.

The finer map is several times as large as the one that a layer reads. It is made and used in parts, and never stored
whole. A derivative reads only the signs of the finer map, which are found once for all tangents of a code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from zoo.nn import Convolution, Patch, TransposedConvolution, Window, work_in_parts

_SLOPE = 0.2

# How many numbers are activated at a time. Maps at the higher rate are large, and slow where they leave the cache.
_MOST_NUMBERS = 2**20

# Channels are split into multiples of this: as many as a processor works on at once.
_CHANNELS = 16


@dataclass(frozen=True)
class _Part:
    """Some images and channels, and the window of the output that is computed for them."""

    images: slice
    channels: slice
    window: Window


@dataclass(frozen=True, eq=False)
class FilteredLeakyReLU:
    """A filter that raises the sampling rate, a leaky ReLU, and a filter that lowers the rate, on a window of a map.

    Attributes:
        upsample: the layer of the first filter.
        downsample: the layer of the second one.
        up_filter: the taps of the first filter; see `Kernel.filter`.
        down_filter: the taps of the second one.
        conv_clamp: the bound of absolute values after the leaky ReLU, or None.
        in_size: height and width of the whole input.
        fine_size: height and width of the whole finer map.
        in_window: the window of the input that is given.
        window: the window of the output that is computed.
    """

    upsample: TransposedConvolution
    downsample: Convolution
    up_filter: Tensor
    down_filter: Tensor
    conv_clamp: float | None
    in_size: int
    fine_size: int
    in_window: Window
    window: Window

    def __call__(self, x: Tensor) -> Tensor:
        """Compute the window of the output.

        Args:
            x: the values in `in_window`, (n, channels, rows, columns).

        Returns:
            The values in `window`.
        """
        output: Tensor = _Activation.apply(x, self)
        return output

    def activate(self, x: Tensor) -> Tensor:
        """Compute the window of the output; derivatives do not pass through this function."""
        output = _empty(x, x, self.window)

        def work(part: _Part) -> None:
            fine = self._upsampled(x[part.images, part.channels], part.window)
            activated = clamp(leaky_relu(fine.values, _SLOPE), self.conv_clamp)
            down = self.downsample.filter(Patch(activated, fine.window), part.window, self.down_filter)
            Patch(output[part.images, part.channels], self.window).crop(part.window).values.copy_(down.values)

        work_in_parts(work, list(self._parts(x)))
        return output

    def differentiate(self, x: Tensor, vectors: Tensor, *, transpose: bool) -> Tensor:
        """Multiply some vectors by the derivative at x, or by its transpose.

        Args:
            x: the values in `in_window`, (n, channels, rows, columns).
            vectors: (k n, channels, rows, columns), k vectors for each image: the first ones of all images, then the
                second ones, and so on. They lie in `in_window`, or for the transpose in `window`.
            transpose: whether to multiply by the transpose.

        Returns:
            As many vectors, which lie in the other window.
        """
        result = _empty(vectors, x, self.in_window if transpose else self.window)
        if transpose:
            result.zero_()
        vectors, results = _per_image(vectors, x), _per_image(result, x)

        def work(part: _Part) -> None:
            fine = self._upsampled(x[part.images, part.channels], part.window)
            slopes = self._slopes(fine.values)
            together = max(1, _MOST_NUMBERS // slopes.numel())
            splits = _take(vectors, part).split(together), _take(results, part).split(together)
            for given, found in zip(*splits, strict=True):
                multiply = self._multiply_transpose if transpose else self._multiply
                multiply(given, found, Patch(slopes, fine.window), part.window)

        work_in_parts(work, list(self._parts(x)))
        return result

    def _multiply(self, vectors: Tensor, results: Tensor, slopes: Patch, window: Window) -> None:
        fine = self.upsample.filter(Patch(_flat(vectors), self.in_window), slopes.window, self.up_filter)
        bent = Patch(_scaled(fine.values, slopes.values), slopes.window)
        down = self.downsample.filter(bent, window, self.down_filter)
        Patch(results, self.window).crop(window).values.copy_(_per_image(down.values, slopes.values))

    def _multiply_transpose(self, vectors: Tensor, results: Tensor, slopes: Patch, window: Window) -> None:
        # The transpose of a filter has the same taps: that of a convolution is a transposed convolution.
        spread = TransposedConvolution(self.downsample.kernel, self.downsample.padding, self.downsample.stride)
        gather = Convolution(self.upsample.kernel, self.upsample.padding, self.upsample.stride)
        given = Patch(_flat(Patch(vectors, self.window).crop(window).values), window)
        fine = spread.filter(given, slopes.window, self.down_filter)
        bent = Patch(_scaled(fine.values, slopes.values), slopes.window)
        read = self.upsample.input_window(slopes.window, (self.in_size, self.in_size))
        back = gather.filter(bent, read, self.up_filter)
        # Neighbouring parts of the output read some points of the input both.
        Patch(results, self.in_window).crop(read).values.add_(_per_image(back.values, slopes.values))

    def _upsampled(self, x: Tensor, window: Window) -> Patch:
        """Return what a window of the output reads of the finer map, before the leaky ReLU."""
        return self.upsample.filter(Patch(x, self.in_window), self._fine_window(window), self.up_filter)

    def _fine_window(self, window: Window) -> Window:
        return self.downsample.input_window(window, (self.fine_size, self.fine_size))

    def _slopes(self, fine: Tensor) -> Tensor:
        """Return the derivatives of the leaky ReLU and the clamp, as torch defines them."""
        slopes = torch.where(fine > 0, 1.0, _SLOPE).to(fine.dtype)
        if self.conv_clamp is not None:
            slopes.masked_fill_(leaky_relu(fine, _SLOPE).abs_() > self.conv_clamp, 0)
        return slopes

    def _parts(self, x: Tensor) -> Iterator[_Part]:
        """Split the work into parts of some images, channels and rows, whose finer maps stay in the cache."""
        fine = self._fine_window(self.window)
        fine_width = fine.columns[1] - fine.columns[0]
        fine_area = (fine.rows[1] - fine.rows[0]) * fine_width
        all_channels = x.shape[1]
        images = max(1, _MOST_NUMBERS // (fine_area * all_channels))
        channels = max(1, _MOST_NUMBERS // (fine_area * _CHANNELS)) * _CHANNELS
        band = max(1, _MOST_NUMBERS // (fine_width * min(channels, all_channels) * self.downsample.stride))
        splits = _slices(0, len(x), images), _slices(0, all_channels, channels), _slices(*self.window.rows, band)
        for image, channel, row in product(*splits):
            yield _Part(image, channel, Window((row.start, row.stop), self.window.columns))


class _Activation(torch.autograd.Function):
    """`FilteredLeakyReLU.activate` with derivatives."""

    @staticmethod
    def forward(x: Tensor, nonlinearity: FilteredLeakyReLU) -> Tensor:
        return nonlinearity.activate(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, ctx.nonlinearity = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def jvp(ctx: Any, x_tangent: Tensor, _: None) -> Tensor:
        (x,) = ctx.saved_tensors
        tangent: Tensor = _Derivative.apply(x, x_tangent, ctx.nonlinearity, False)
        return tangent

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return _Derivative.apply(x, gradient, ctx.nonlinearity, True), None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int, None], x: Tensor, nonlinearity: FilteredLeakyReLU) -> tuple[Tensor, int]:
        images = x.movedim(in_dims[0], 0)
        outputs: Tensor = _Activation.apply(images.flatten(0, 1), nonlinearity)
        return outputs.reshape(*images.shape[:2], *outputs.shape[1:]), 0


class _Derivative(torch.autograd.Function):
    """`FilteredLeakyReLU.differentiate` with derivatives with respect to the vectors; with respect to x they are 0."""

    @staticmethod
    def forward(x: Tensor, vectors: Tensor, nonlinearity: FilteredLeakyReLU, transpose: bool) -> Tensor:
        return nonlinearity.differentiate(x, vectors, transpose=transpose)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, _, ctx.nonlinearity, ctx.transpose = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def jvp(ctx: Any, _: Tensor | None, tangent: Tensor | None, *__: None) -> Tensor | None:
        (x,) = ctx.saved_tensors
        return None if tangent is None else _Derivative.apply(x, tangent, ctx.nonlinearity, ctx.transpose)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        return None, _Derivative.apply(x, gradient, ctx.nonlinearity, not ctx.transpose), None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], x: Tensor, vectors: Tensor, *settings: Any
    ) -> tuple[Tensor, int]:
        along = in_dims[1]
        given = vectors.expand(info.batch_size, *vectors.shape) if along is None else vectors.movedim(along, 0)
        if in_dims[0] is None:  # all are vectors at the same images, whose slopes are found once
            found = _Derivative.apply(x, given.flatten(0, 1), *settings)
            return found.reshape(*given.shape[:2], *found.shape[1:]), 0
        x = x.movedim(in_dims[0], 0)
        # From (batch, k n) to (k, batch, n), and back.
        given = given.reshape(len(given), -1, x.shape[1], *given.shape[2:]).transpose(0, 1)
        found = _Derivative.apply(x.flatten(0, 1), given.flatten(0, 2), *settings)
        return found.reshape(*given.shape[:3], *found.shape[1:]).transpose(0, 1).flatten(1, 2), 0


def clamp(x: Tensor, bound: float | None) -> Tensor:
    """Clamp absolute values.

    Args:
        x: numbers.
        bound: the largest absolute value, or None for none.

    Returns:
        Numbers of the same shape.
    """
    return x if bound is None else x.clamp(-bound, bound)


def _empty(values: Tensor, like: Tensor, window: Window) -> Tensor:
    """Make room in a window for as many images and channels as `values` has, laid out in memory as `like` is."""
    (count, channels, *_), rows, columns = values.shape, *(end - first for first, end in (window.rows, window.columns))
    if like.is_contiguous(memory_format=torch.channels_last):
        return values.new_empty(count, rows, columns, channels).permute(0, 3, 1, 2)
    return values.new_empty(count, channels, rows, columns)


def _per_image(vectors: Tensor, images: Tensor) -> Tensor:
    """View k vectors for each of n images, (k n, …), as (k, n, …)."""
    return vectors.reshape(-1, len(images), *vectors.shape[1:])


def _flat(vectors: Tensor) -> Tensor:
    """Undo `_per_image`, without `reshape` where it would hide from torch that a single image lies channels-last."""
    count, images = vectors.shape[:2]
    if images == 1:
        return vectors.select(1, 0)
    return vectors.select(0, 0) if count == 1 else vectors.reshape(-1, *vectors.shape[2:])


def _scaled(fine: Tensor, slopes: Tensor) -> Tensor:
    """Multiply k vectors for each of n images, (k n, …), in place by numbers (n, …)."""
    _per_image(fine, slopes).mul_(slopes)
    return fine


def _take(vectors: Tensor, part: _Part) -> Tensor:
    """View what belongs to a part of vectors (k, n, channels, …)."""
    images, channels = part.images, part.channels
    vectors = vectors.narrow(1, images.start, images.stop - images.start)
    return vectors.narrow(2, channels.start, channels.stop - channels.start)


def _slices(start: int, stop: int, size: int) -> list[slice]:
    return [slice(first, min(first + size, stop)) for first in range(start, stop, size)]
