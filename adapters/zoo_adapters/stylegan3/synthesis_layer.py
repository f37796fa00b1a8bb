"""The layers of StyleGAN3: a modulated convolution, and a nonlinearity at a higher sampling rate (section 3.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from zoo.nn import Convolution, Patch, TransposedConvolution, Window, in_parts, store_as

_SLOPE = 0.2
_EPSILON = 1e-8

# How many numbers are activated at a time. Maps at the higher rate are large, and slow where they leave the cache.
_MOST_NUMBERS = 2**20

# Channels are split into multiples of this: as many as a processor works on at once.
_CHANNELS = 16


@dataclass(frozen=True)
class Resampling:
    """How a layer resamples: from one map to another, by way of a finer one on which the nonlinearity acts.

    Attributes:
        in_size: height and width of the map before the first filter.
        out_size: height and width of the map after the second one.
        up: the factor by which the first filter raises the sampling rate.
        down: the factor by which the second one lowers it.
        up_taps: taps of the first filter.
        down_taps: taps of the second one.
        padding: zeros before the map that is spread to the higher rate, as in NVIDIA's layers; None to centre the map.
    """

    in_size: int
    out_size: int
    up: int
    down: int
    up_taps: int
    down_taps: int
    padding: int | None = None

    @property
    def fine_size(self) -> int:
        """Height and width of the finer map."""
        return (self.out_size - 1) * self.down + self.down_taps

    @property
    def layers(self) -> tuple[TransposedConvolution, Convolution]:
        """The two filters as layers. Raises `ValueError` if the second reads points that the first does not reach."""
        # The map is spread to in_size · up points and padded by `total` zeros, for fine_size outputs of the first
        # filter.
        total = self.fine_size + self.up_taps - 1 - self.in_size * self.up
        before = (total + self.up) // 2 if self.padding is None else self.padding
        if min(self.up, self.down) < 1 or before >= self.up_taps or total - before > self.up_taps - self.up:
            raise ValueError(
                f"filters between maps of {self.in_size} and {self.out_size} points read beyond the first map"
            )
        upsample = TransposedConvolution(self.up_taps, self.up_taps - 1 - before, self.up)
        return upsample, Convolution(self.down_taps, 0, self.down)


class SynthesisLayer(nn.Module):
    """A modulated convolution and a leaky ReLU at a higher sampling rate (section 3.2, figure 4b).

    The state dict holds `magnitude_ema` as ``magnitude``, `up_filter` as ``upper`` and `down_filter` as ``lower``.

    Args:
        w_dim: numbers of a row of w.
        shape: of the weight, (out, in, k, k).
        resampling: the filters' sizes and factors.
        radial: whether the filter that lowers the rate is (taps, taps), as in configuration R; else it is (taps,).
        conv_clamp: the bound of absolute values after the nonlinearity, or None.

    Attributes:
        magnitude_ema: 1 / √(the mean square of the input in training).
    """

    def __init__(
        self, w_dim: int, shape: Sequence[int], resampling: Resampling, *, radial: bool, conv_clamp: float | None
    ) -> None:
        super().__init__()
        out_channels, in_channels, kernel, _ = shape
        self.resampling = resampling
        self.conv_clamp = conv_clamp
        self.affine = nn.Linear(w_dim, in_channels)
        self.weight = nn.Parameter(torch.zeros(*shape))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.magnitude_ema = nn.Buffer(torch.ones(()))
        self.up_filter = nn.Buffer(torch.zeros(resampling.up_taps))
        self.down_filter = nn.Buffer(torch.zeros([resampling.down_taps] * (2 if radial else 1)))
        self.weight_squares = nn.Buffer(torch.zeros(in_channels, out_channels), persistent=False)
        self._conv = Convolution(kernel, padding=kernel - 1)
        self._upsample, self._downsample = resampling.layers
        store_as(self, {"magnitude_ema": "magnitude", "up_filter": "upper", "down_filter": "lower"})

    def fold(self) -> None:
        """Recompute the sums of squared weights, by which outputs are demodulated.

        They are halved, which is the activation's gain √2.
        """
        self.weight_squares.copy_(self._sum_squares().detach())

    def _sum_squares(self) -> Tensor:
        squares = self.weight.square().sum(dim=(2, 3))
        return squares.T * self.magnitude_ema / 2

    def input_window(self, window: Window) -> Window:
        """Return the window of the input that a window of the output needs.

        Args:
            window: the window of the output to compute.

        Returns:
            The window of the input.
        """
        size = self.resampling.in_size - self._conv.padding
        return self._conv.input_window(self._conv_window(window), (size, size))

    def forward(self, x: Patch, w: Tensor, window: Window) -> Patch:
        """Compute a window of the output.

        Args:
            x: a patch of the input, of the window that `input_window` gives.
            w: the layer's row of w, (n, w_dim).
            window: the window to compute.

        Returns:
            The patch (n, out, rows, columns) of that window.
        """
        # Modulation and demodulation (StyleGAN2, equations 1 and 3) are applied to activations instead of weights. All
        # codes share one convolution, and a derivative needs only one for each tangent.
        styles = self.affine(w)[:, :, None, None]
        y = self._conv(Patch(x.values * styles, x.window), self._conv_window(window), self.weight)
        squares = self._sum_squares() if self.weight.requires_grad else self.weight_squares
        scale = torch.rsqrt(styles.flatten(1).square() @ squares + _EPSILON)
        values = torch.addcmul(self.bias[:, None, None], y.values, scale[:, :, None, None])
        return Patch(self._activate_in_parts(Patch(values, y.window), window), window)

    def _conv_window(self, window: Window) -> Window:
        """Return the window of the convolution's output that a window of the layer's output needs."""
        size = self.resampling.in_size
        return self._upsample.input_window(self._fine_window(window), (size, size))

    def _fine_window(self, window: Window) -> Window:
        """Return the window of the finer map that a window of the layer's output needs."""
        size = self.resampling.fine_size
        return self._downsample.input_window(window, (size, size))

    def _activate_in_parts(self, x: Patch, window: Window) -> Tensor:
        """Activate some images, channels and rows at a time, so that the finer maps stay in the processor's cache."""
        fine = self._fine_window(window)
        fine_width = fine.columns[1] - fine.columns[0]
        fine_area = (fine.rows[1] - fine.rows[0]) * fine_width
        all_channels = x.values.shape[1]
        images = max(1, _MOST_NUMBERS // (fine_area * all_channels))
        channels = max(1, _MOST_NUMBERS // (fine_area * _CHANNELS)) * _CHANNELS
        rows = max(1, _MOST_NUMBERS // (fine_width * min(channels, all_channels) * self.resampling.down))
        first, last = window.rows
        bands = [Window((row, min(row + rows, last)), window.columns) for row in range(first, last, rows)]

        def activate(values: Tensor) -> Tensor:
            return in_parts(lambda band: self._activate(Patch(values, x.window), band), bands, 2, last - first)

        def activate_images(values: Tensor) -> Tensor:
            return in_parts(activate, values.split(channels, dim=1), 1, all_channels)

        return in_parts(activate_images, x.values.split(images), 0, len(x.values))

    def _activate(self, x: Patch, window: Window) -> Tensor:
        """Raise the sampling rate, apply the leaky ReLU, and lower the rate."""
        fine = self._upsample.filter(x, self._fine_window(window), self.up_filter)
        activated = clamp(leaky_relu(fine.values, _SLOPE), self.conv_clamp)
        return self._downsample.filter(Patch(activated, fine.window), window, self.down_filter).values


def clamp(x: Tensor, bound: float | None) -> Tensor:
    """Clamp absolute values.

    Args:
        x: numbers.
        bound: the largest absolute value, or None for none.

    Returns:
        Numbers of the same shape.
    """
    return x if bound is None else x.clamp(-bound, bound)
