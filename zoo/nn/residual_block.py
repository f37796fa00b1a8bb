"""Residual blocks whose normalisations read a condition: what the networks of the BigGAN families are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d

from zoo.nn.local_layers import Convolution, NearestUpsample, TransposedConvolution
from zoo.nn.stored_names import store_as
from zoo.nn.window import Patch, Window

_CONV_3X3 = Convolution(kernel=3, padding=1)
_UPSAMPLE_CONV = TransposedConvolution(kernel=4, padding=1, stride=2)
_UPSAMPLE = NearestUpsample()


class ConditionalNorm(nn.Module):
    """Batch normalisation with stored statistics, and a ReLU; gain and bias are affine in a condition c.

    y = relu((x − mean) / √(variance + ε) · (scale + gain c) + (shift + bias c))

    Args:
        condition_dim: numbers of the condition; 0 for a normalisation that reads none.
        channels: channels of the maps.
        epsilon: ε, which is added to variances.
    """

    def __init__(self, condition_dim: int, channels: int, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))
        self.gain = nn.Parameter(torch.zeros(channels, condition_dim)) if condition_dim else None
        self.bias = nn.Parameter(torch.zeros(channels, condition_dim)) if condition_dim else None
        self.mean = nn.Buffer(torch.zeros(channels))
        self.variance = nn.Buffer(torch.ones(channels))

    def statistics(self, truncation: float | None) -> tuple[Tensor, Tensor]:
        """Return the stored statistics; in some families they depend on the truncation.

        Args:
            truncation: what the codes were drawn with, or None.

        Returns:
            Mean and variance, (channels,) each.
        """
        return self.mean, self.variance

    def forward(self, x: Patch, condition: Tensor | None, truncation: float | None) -> Patch:
        """Normalise, scale and shift a patch, and apply the ReLU.

        Args:
            x: a patch (n, channels, rows, columns).
            condition: (n, condition_dim), or None.
            truncation: see `statistics`.

        Returns:
            The patch of the same window.
        """
        mean, variance = self.statistics(truncation)
        # One multiplication and one addition a pixel: x · scale + (shift − mean · scale).
        scale = _affine(self.scale, self.gain, condition) * torch.rsqrt(variance + self.epsilon)
        shift = _affine(self.shift, self.bias, condition) - mean * scale
        return Patch(torch.relu(torch.addcmul(shift[..., None, None], x.values, scale[..., None, None])), x.window)


class Pointwise(nn.Module):
    """A normalisation and a 1x1 convolution.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        norm: builds the normalisation of so many channels.
    """

    def __init__(self, in_channels: int, out_channels: int, norm: Callable[[int], ConditionalNorm]) -> None:
        super().__init__()
        self.norm = norm(in_channels)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=1)

    def forward(self, x: Patch, condition: Tensor | None, truncation: float | None) -> Patch:
        """Compute the window that x covers.

        Args:
            x: a patch (n, in_channels, rows, columns).
            condition: as `ConditionalNorm.forward` takes it.
            truncation: the same.

        Returns:
            A patch (n, out_channels, rows, columns).
        """
        y = self.norm(x, condition, truncation)
        return Patch(self.conv(y.values), y.window)


class Attention(nn.Module):
    """Self-attention of SAGAN (Zhang et al., ICML 2019, section 3).

    Every pixel queries keys and values that are pooled to half the height and width. The output is x + γ · o. The state
    dict holds γ as ``strength``.

    Args:
        channels: channels of the maps, a multiple of 8.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(channels // 8, channels, 1, 1))
        self.key = nn.Parameter(torch.zeros(channels // 8, channels, 1, 1))
        self.value = nn.Parameter(torch.zeros(channels // 2, channels, 1, 1))
        self.output = nn.Parameter(torch.zeros(channels, channels // 2, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(()))
        store_as(self, {"gamma": "strength"})

    def forward(self, x: Tensor) -> Tensor:
        """Apply attention to whole maps.

        Args:
            x: (n, channels, height, width), height and width even.

        Returns:
            Maps of the same shape.
        """
        query = conv2d(x, self.query).flatten(2)
        key, value = (max_pool2d(conv2d(x, weight), 2).flatten(2) for weight in (self.key, self.value))
        # β = softmax(qᵀ k): how much each pixel attends to each pooled one, (n, pixels, pixels / 4)
        attention = torch.softmax(query.transpose(1, 2) @ key, dim=2)
        # o = W_o (v βᵀ)
        attended = (value @ attention.transpose(1, 2)).view(len(x), -1, *x.shape[2:])
        return x + self.gamma * conv2d(attended, self.output)


@dataclass(frozen=True)
class BlockSpec:
    """The structure of one residual block.

    Attributes:
        in_channels: channels of the input.
        out_channels: channels of the output.
        bottleneck: channels between the two 1x1 convolutions of a bottleneck block; None for a block without them.
        upsample: whether the block doubles height and width.
        shortcut: whether the shortcut is a 1x1 convolution; else it is the first `out_channels` channels of the input.
        attention: whether self-attention follows.
    """

    in_channels: int
    out_channels: int
    bottleneck: int | None = None
    upsample: bool = True
    shortcut: bool = True
    attention: bool = False


class ResidualBlock(nn.Module):
    """A residual block: two 3x3 convolutions, each after a normalisation, beside a shortcut.

    The first convolution may upsample. In a bottleneck block, a 1x1 convolution narrows the input and another one
    widens the output. Attention, if any, follows.

    Args:
        spec: the block's structure.
        norm: builds a normalisation of so many channels.
    """

    def __init__(self, spec: BlockSpec, norm: Callable[[int], ConditionalNorm]) -> None:
        super().__init__()
        self.spec = spec
        first = spec.bottleneck or spec.in_channels
        last = spec.bottleneck or spec.out_channels
        self.narrow = Pointwise(spec.in_channels, spec.bottleneck, norm) if spec.bottleneck else None
        self.norm1 = norm(first)
        self.norm2 = norm(last)
        if spec.upsample:
            self.conv1: nn.Module = nn.ConvTranspose2d(first, last, kernel_size=4, stride=2, padding=1)
        else:
            self.conv1 = nn.Conv2d(first, last, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(last, last, kernel_size=3, padding=1)
        self.widen = Pointwise(spec.bottleneck, spec.out_channels, norm) if spec.bottleneck else None
        self.shortcut = nn.Conv2d(spec.in_channels, spec.out_channels, kernel_size=1) if spec.shortcut else None
        self.attention = Attention(spec.out_channels) if spec.attention else None

    def windows(self, window: Window, size: int) -> tuple[Window, Window, Window]:
        """Plan the windows that a window of the output needs.

        Args:
            window: the window of the output to compute.
            size: height and width of the block's output.

        Returns:
            The windows of the input, of the map between the 3x3 convolutions, and of the output: the one asked for, or
            the whole map where attention reads every pixel.
        """
        if self.attention is not None:
            window = Window.whole((size, size))
        inner = _CONV_3X3.input_window(window, (size, size))
        if not self.spec.upsample:
            return _CONV_3X3.input_window(inner, (size, size)), inner, window
        half = (size // 2, size // 2)
        return _UPSAMPLE_CONV.input_window(inner, half) | _UPSAMPLE.input_window(window, half), inner, window

    def forward(
        self, x: Patch, condition: Tensor | None, truncation: float | None, inner: Window, window: Window
    ) -> Patch:
        """Compute a window of the output.

        Args:
            x: a patch of the input, of the window that `windows` gave for it.
            condition: as `ConditionalNorm.forward` takes it.
            truncation: the same.
            inner: the window of the map between the 3x3 convolutions, from `windows`.
            window: the window of the output, from `windows`.

        Returns:
            A patch (n, out_channels, rows, columns).
        """
        y = x if self.narrow is None else self.narrow(x, condition, truncation)
        first = _UPSAMPLE_CONV if self.spec.upsample else _CONV_3X3
        y = first(self.norm1(y, condition, truncation), inner, *_weights(self.conv1))
        y = _CONV_3X3(self.norm2(y, condition, truncation), window, *_weights(self.conv2))
        if self.widen is not None:
            y = self.widen(y, condition, truncation)
        values = y.values + self._shortcut(x, window).values
        return Patch(values if self.attention is None else self.attention(values), window)

    def _shortcut(self, x: Patch, window: Window) -> Patch:
        # The 1x1 convolution commutes with the upsampling; before it, there is a quarter of the pixels.
        values = x.values[:, : self.spec.out_channels] if self.shortcut is None else self.shortcut(x.values)
        patch = Patch(values, x.window)
        return _UPSAMPLE(patch, window) if self.spec.upsample else patch.crop(window)


def _affine(constant: Tensor, weight: Tensor | None, condition: Tensor | None) -> Tensor:
    return constant if weight is None or condition is None else constant + condition @ weight.T


def _weights(layer: nn.Module) -> tuple[Tensor, Tensor]:
    return layer.get_parameter("weight"), layer.get_parameter("bias")
