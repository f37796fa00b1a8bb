"""The modulated layers of StyleGAN2 (section 2.2 of the paper), which are given their styles."""

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from zoo.nn import Convolution, Patch, TransposedConvolution, Window, store_as

_SLOPE = 0.2
_EPSILON = 1e-8
_CONV_3X3 = Convolution(kernel=3, padding=1)
_UPSAMPLE_CONV = TransposedConvolution(kernel=3, stride=2)
_RESAMPLE = Convolution(kernel=4, padding=1)


class SynthesisLayer(nn.Module):
    """A modulated 3x3 convolution, noise, bias and a leaky ReLU (section 2.2 and figure 2d).

    An upsampling layer is a transposed convolution, whose weight has its inputs first, and a filter after it. The
    state dict holds `noise_const` as ``noise`` and `noise_strength` as ``strength``.

    Args:
        w_dim: numbers of a row of w.
        in_channels: channels of the input.
        out_channels: channels of the output.
        size: height and width of the output.
        upsample: whether the output is twice as large as the input.
        conv_clamp: the bound of the output's absolute values, or None.
    """

    def __init__(
        self,
        w_dim: int,
        in_channels: int,
        out_channels: int,
        size: tuple[int, int],
        *,
        upsample: bool,
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.upsample = upsample
        self.conv_clamp = conv_clamp
        self.affine = nn.Linear(w_dim, in_channels)
        channels = (in_channels, out_channels) if upsample else (out_channels, in_channels)
        self.weight = nn.Parameter(torch.zeros(*channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_const = nn.Buffer(torch.zeros(*size))
        self.noise_strength = nn.Buffer(torch.zeros(()))
        self.weight_squares = nn.Buffer(torch.zeros(in_channels, out_channels), persistent=False)
        self.resample_filter = nn.Buffer(make_resample_filter(out_channels if upsample else 0), persistent=False)
        store_as(self, {"noise_const": "noise", "noise_strength": "strength"})

    def fold(self) -> None:
        """Recompute the sums of squared weights, by which outputs are demodulated."""
        self.weight_squares.copy_(self._sum_squares().detach())

    def _sum_squares(self) -> Tensor:
        """Sum the squared weights of each pair of channels, (in_channels, out_channels)."""
        squares = self.weight.square().sum(dim=(2, 3))
        return squares if self.upsample else squares.T

    def input_window(self, window: Window) -> Window:
        """Return the window of the input that a window of the output needs.

        Args:
            window: the window of the output to compute.

        Returns:
            The window of the input.
        """
        height, width = self.noise_const.shape
        if not self.upsample:
            return _CONV_3X3.input_window(window, (height, width))
        upsampled = _RESAMPLE.input_window(window, (height + 1, width + 1))
        return _UPSAMPLE_CONV.input_window(upsampled, (height // 2, width // 2))

    def forward(self, x: Patch, styles: Tensor, window: Window) -> Patch:
        """Compute a window of the output.

        Args:
            x: a patch of the input, of the window that `input_window` gives.
            styles: what `affine` gives of the layer's row of w, (n, in_channels).
            window: the window to compute.

        Returns:
            The patch (n, out_channels, rows, columns) of that window.
        """
        # Modulation and demodulation (equations 1 and 3), applied to activations instead of weights:
        # y_j = Σ_i w_ij ∗ (s_i x_i) / √(Σ_i s_i² Σ w_ij² + ε). All codes share one convolution, and a derivative needs
        # only one for each tangent.
        y = self._convolve(Patch(x.values * styles[:, :, None, None], x.window), window)
        # The division by 2 is the activation's gain √2, which bias and noise strength contain already.
        squares = self._sum_squares() if self.weight.requires_grad else self.weight_squares
        scale = torch.rsqrt((styles.square() @ squares + _EPSILON) / 2)
        noise = self.noise_strength * Patch.whole(self.noise_const).crop(window).values
        offset = self.bias[:, None, None] + noise
        values = leaky_relu(torch.addcmul(offset, y.values, scale[:, :, None, None]), _SLOPE)
        return Patch(_clamp(values, self.conv_clamp), window)

    def _convolve(self, x: Patch, window: Window) -> Patch:
        if not self.upsample:
            return _CONV_3X3(x, window, self.weight)
        height, width = self.noise_const.shape
        upsampled = _UPSAMPLE_CONV(x, _RESAMPLE.input_window(window, (height + 1, width + 1)), self.weight)
        return _RESAMPLE(upsampled, window, self.resample_filter, groups=len(self.resample_filter))


class ToRGB(nn.Module):
    """A modulated 1x1 convolution to the channels of the image, without demodulation.

    Args:
        w_dim: numbers of a row of w.
        in_channels: channels of the input.
        img_channels: channels of the image.
        conv_clamp: the bound of the output's absolute values, or None.
    """

    def __init__(self, w_dim: int, in_channels: int, img_channels: int, conv_clamp: float | None = None) -> None:
        super().__init__()
        self.conv_clamp = conv_clamp
        self.affine = nn.Linear(w_dim, in_channels)
        self.weight = nn.Parameter(torch.zeros(img_channels, in_channels))
        self.bias = nn.Parameter(torch.zeros(img_channels))

    def forward(self, x: Patch, styles: Tensor, window: Window) -> Tensor:
        """Compute a window of the output.

        Args:
            x: a patch of the input that covers the window.
            styles: what `affine` gives of the layer's row of w, (n, in_channels).
            window: the window to compute.

        Returns:
            (n, img_channels, rows, columns).
        """
        values = x.crop(window).values
        # The weights of so few outputs are fewer than the pixels, so that here the weights are modulated.
        weight = self.weight * styles[:, None]
        rgb = torch.baddbmm(self.bias[:, None], weight, values.flatten(2))
        return _clamp(rgb.view(*rgb.shape[:2], *values.shape[2:]), self.conv_clamp)


def _clamp(x: Tensor, bound: float | None) -> Tensor:
    return x if bound is None else x.clamp(-bound, bound)


def make_resample_filter(channels: int) -> Tensor:
    """Make the filter [1, 3, 3, 1] along both axes, for upsampled maps.

    Args:
        channels: channels of the maps.

    Returns:
        (channels, 1, 4, 4).
    """
    # Taps of sum 2 along each axis make up for the zeros between the points.
    taps = (0.25, 0.75, 0.75, 0.25)
    kernel = [[row * column for column in taps] for row in taps]
    return torch.tensor([kernel] * channels).view(channels, 1, 4, 4)
