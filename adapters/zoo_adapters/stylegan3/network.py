"""The StyleGAN3 generator (Karras et al., "Alias-Free Generative Adversarial Networks", NeurIPS 2021), T and R.

Maps are samples of continuous signals. Each has a margin around the picture, and each nonlinearity acts at a higher
sampling rate, between a filter that raises the rate and one that lowers it. What a file format leaves to run time is
folded into the weights (see `checkpoint`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import pi

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from zoo.nn import Convolution, MappingNetwork, Patch, StyleNetwork, TransposedConvolution, Window

_SLOPE = 0.2
_EPSILON = 1e-8
_PIECE = 2**20
"""How many numbers are activated at a time: maps at the higher rate are large, and slow where they leave the cache."""
_CHANNELS = 16
"""Channels are taken by so many, or a multiple of it: as many as a processor works on at once."""


class SynthesisInput(nn.Module):
    """Fourier features on a grid of `side` points, `rate` of them a unit: waves that w turns and shifts (section 3).

    A wave faster than `bandwidth` is weaker, and one beyond what the rate can hold is left out.
    """

    def __init__(self, dim: int, channels: int, side: int, rate: float, bandwidth: float) -> None:
        super().__init__()
        self.side, self.rate, self.bandwidth = side, rate, bandwidth
        self.affine = nn.Linear(dim, 4)
        self.weight = nn.Parameter(torch.zeros(channels, channels))
        self.frequencies = nn.Buffer(torch.zeros(channels, 2))
        self.phases = nn.Buffer(torch.zeros(channels))
        self.transform = nn.Buffer(torch.eye(3))

    def forward(self, w: Tensor, wanted: Window) -> Patch:
        """Compute a window of the first map from w (n, dim)."""
        frequencies, phases = self._turned(self.affine(w))
        fast = frequencies.square().sum(dim=2).sqrt() - self.bandwidth
        strength = (1 - fast / (self.rate / 2 - self.bandwidth)).clamp(0, 1)
        across, down = (self._grid(span, frequencies) for span in (wanted.columns, wanted.rows))
        cycles = across * frequencies[:, None, None, :, 0] + down[:, None] * frequencies[:, None, None, :, 1]
        waves = torch.sin(2 * pi * (cycles + phases[:, None, None])) * strength[:, None, None]
        return Patch((waves @ self.weight.T).permute(0, 3, 1, 2), wanted)

    def _turned(self, pose: Tensor) -> tuple[Tensor, Tensor]:
        """Turn and shift the waves by a pose, after `transform`: frequencies (n, c, 2) and phases (n, c).

        A pose (n, 4) is cosine, sine and shift along columns and rows, all times a factor that is divided out.
        """
        pose = pose / pose[:, :2].square().sum(dim=1, keepdim=True).sqrt()
        cosine, sine, shift = pose[:, 0, None], pose[:, 1, None], pose[:, 2:]
        first, second = self.frequencies.T
        turned = torch.stack([first * cosine + second * sine, second * cosine - first * sine], dim=2)
        moved = self.transform[:2, 2] - shift
        return turned @ self.transform[:2, :2], self.phases + (turned @ moved[:, :, None])[..., 0]

    def _grid(self, span: tuple[int, int], like: Tensor) -> Tensor:
        places = torch.arange(*span, device=like.device, dtype=like.dtype)
        return (places[:, None] + (1 - self.side) / 2) / self.rate


@dataclass(frozen=True)
class Resampling:
    """From a map of `inside` points a side to one of `outside`, by way of a finer one.

    The rate is raised by a factor `up`, with a filter of `upper` taps, and lowered by `down`, with one of `lower` taps.
    `before` zeros, or so many points less, stand before the map once it is spread: left out, it stays in the middle.
    """

    inside: int
    outside: int
    up: int
    down: int
    upper: int
    lower: int
    before: int | None = None

    @property
    def fine(self) -> int:
        """The points a side of the finer map."""
        return (self.outside - 1) * self.down + self.lower

    @property
    def layers(self) -> tuple[TransposedConvolution, Convolution]:
        """The two filters. Raises `ValueError` where the first would not reach every point that the second reads."""
        total = self.fine + self.upper - 1 - self.inside * self.up
        before = (total + self.up) // 2 if self.before is None else self.before
        if min(self.up, self.down) < 1 or before >= self.upper or total - before > self.upper - self.up:
            raise ValueError(f"filters between maps of {self.inside} and {self.outside} points read beyond the first")
        return TransposedConvolution(self.upper, self.upper - 1 - before, self.up), Convolution(
            self.lower, 0, self.down
        )


class SynthesisLayer(nn.Module):
    """A convolution whose input channels a row of w scales, and a leaky ReLU at a higher sampling rate (section 3.2).

    It scales activations, not weights, so that all codes share one convolution, and a derivative needs one a tangent.
    The weight is (outputs, inputs, k, k); a `radial` filter that lowers the rate is (t, t), any other is separable.
    """

    def __init__(self, dim: int, shape: Sequence[int], plan: Resampling, *, radial: bool, clamp: float | None) -> None:
        super().__init__()
        outputs, inputs, size, _ = shape
        self.plan, self.clamp = plan, clamp
        self.affine = nn.Linear(dim, inputs)
        self.weight = nn.Parameter(torch.zeros(*shape))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.magnitude = nn.Buffer(torch.ones(()))
        self.upper = nn.Buffer(torch.zeros(plan.upper))
        self.lower = nn.Buffer(torch.zeros([plan.lower] * (2 if radial else 1)))
        self.squares = nn.Buffer(torch.zeros(inputs, outputs), persistent=False)
        self._convolve = Convolution(size, padding=size - 1)
        self._raise, self._lower = plan.layers

    def fold(self) -> None:
        """Prepare what depends on the weights alone; half of it, as the activation's gain is the square root of 2."""
        self.squares.copy_(self.weight.detach().square().sum(dim=(2, 3)).T * self.magnitude / 2)

    def input_window(self, wanted: Window) -> Window:
        """Give the window of the input that the window `wanted` of the output needs."""
        side = self.plan.inside - self._convolve.padding
        return self._convolve.input_window(self._convolved(wanted), (side, side))

    def forward(self, x: Patch, w: Tensor, wanted: Window) -> Patch:
        """Compute a window of the output from x and w (n, dim)."""
        style = self.affine(w)[:, :, None, None]
        y = self._convolve(Patch(x.values * style, x.window), self._convolved(wanted), self.weight)
        scale = torch.rsqrt(style.flatten(1).square() @ self.squares + _EPSILON)
        values = torch.addcmul(self.bias[:, None, None], y.values, scale[:, :, None, None])
        return Patch(self._filtered(Patch(values, y.window), wanted), wanted)

    def _convolved(self, wanted: Window) -> Window:
        return self._raise.input_window(self._fine(wanted), (self.plan.inside, self.plan.inside))

    def _fine(self, wanted: Window) -> Window:
        return self._lower.input_window(wanted, (self.plan.fine, self.plan.fine))

    def _filtered(self, x: Patch, wanted: Window) -> Tensor:
        """Activate at the higher rate, some images, channels and rows at a time."""
        (top, bottom), (left, right) = self._fine(wanted).rows, self._fine(wanted).columns
        width, area = x.values.shape[1], (bottom - top) * (right - left)
        images = max(1, _PIECE // (area * width))
        channels = max(1, _PIECE // (area * _CHANNELS)) * _CHANNELS
        rows = max(1, _PIECE // ((right - left) * min(channels, width) * self.plan.down))
        first, last = wanted.rows
        bands = [Window((row, min(row + rows, last)), wanted.columns) for row in range(first, last, rows)]

        def part(values: Tensor) -> Tensor:
            return _joined([self._activated(Patch(values, x.window), band) for band in bands], 2)

        groups = x.values.split(images)
        return _joined([_joined([part(some) for some in group.split(channels, dim=1)], 1) for group in groups], 0)

    def _activated(self, x: Patch, wanted: Window) -> Tensor:
        fine = self._raise.filter(x, self._fine(wanted), self.upper)
        values = _clamped(leaky_relu(fine.values, _SLOPE), self.clamp)
        return self._lower.filter(Patch(values, fine.window), wanted, self.lower).values


class ToRGB(nn.Module):
    """A 1x1 convolution to three channels, whose input channels a row of w scales; its outputs are left as they are."""

    def __init__(self, dim: int, inputs: int, clamp: float | None) -> None:
        super().__init__()
        self.clamp = clamp
        self.affine = nn.Linear(dim, inputs)
        self.weight = nn.Parameter(torch.zeros(3, inputs))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Patch, w: Tensor) -> Tensor:
        """Compute the colours (n, 3, rows, columns) of x with w (n, dim)."""
        weight = self.weight * self.affine(w)[:, None]
        colours = torch.baddbmm(self.bias[:, None], weight, x.values.flatten(2))
        return _clamped(colours.view(-1, 3, *x.values.shape[2:]), self.clamp)


class StyleGAN3Generator(StyleNetwork):
    """From w (n, rows, dim) to images (n, 3, side, side): row 0 is the input's, row i + 1 that of layer i."""

    def __init__(
        self, mapping: MappingNetwork, start: SynthesisInput, layers: Sequence[SynthesisLayer], colour: ToRGB
    ) -> None:
        super().__init__()
        self.mapping, self.input, self.colour = mapping, start, colour
        self.layers = nn.ModuleList(layers)
        self.side, self.rows = layers[-1].plan.outside, len(layers) + 2
        self.register_load_state_dict_post_hook(lambda module, _: module.fold())  # type: ignore[no-untyped-call]

    def fold(self) -> None:
        """Prepare what depends on the weights alone; loading a state does, changes in place do not."""
        for layer in self._layers():
            layer.fold()

    def forward(self, w: Tensor, window: Window | None = None) -> Tensor:
        """Render w (n, rows, dim), or a window of the picture only."""
        wanted = self._windows(window or Window.whole((self.side, self.side)))
        x = self.input(w[:, 0], wanted[0])
        for row, layer in enumerate(self._layers(), 1):
            x = layer(x, w[:, row], wanted[row])
        picture: Tensor = self.colour(x, w[:, -1])
        return picture

    def _windows(self, window: Window) -> list[Window]:
        """Plan the windows of the input's map and of each layer's, from the last one backwards."""
        windows = [window]
        for layer in self._layers()[::-1]:
            windows.insert(0, layer.input_window(windows[0]))
        return windows

    def _layers(self) -> list[SynthesisLayer]:
        return [layer for layer in self.layers if isinstance(layer, SynthesisLayer)]


def untrained(
    dim: int,
    channels: Sequence[int],
    sides: Sequence[int],
    seed: int,
    *,
    size: int = 3,
    radial: bool = False,
    classes: int = 0,
) -> StyleGAN3Generator:
    """Build a network of random weights; the same for the same seed.

    `channels` are those of the maps of `sides` points, from the input's on; where a map is larger than the one before,
    the rate doubles. Convolutions have `size`² taps.
    """
    layers = []
    for (wide, narrow), (near, far) in zip(pairwise(channels), pairwise(sides), strict=True):
        up = 4 if far > near else 2
        plan = Resampling(near + size - 1, far, up, 2, 3 * up, 6)
        layers.append(SynthesisLayer(dim, (narrow, wide, size, size), plan, radial=radial, clamp=256.0))
    start, colour = SynthesisInput(dim, channels[0], sides[0], 4, 1), ToRGB(dim, channels[-1], 64.0)
    network = StyleGAN3Generator(
        MappingNetwork(dim, [dim + (dim if classes else 0), dim, dim], classes), start, layers, colour
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            spread = tensor[0].numel() ** -0.5 if tensor.ndim in {2, 4} else 0.5
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * spread + key.endswith("affine.bias"))
        for layer in layers:
            layer.magnitude.fill_(1)
            layer.upper.copy_(_hill(layer.plan.upper) * layer.plan.up)
            taps = _hill(layer.plan.lower)
            layer.lower.copy_(torch.outer(taps, taps) if radial else taps)
    return network


def _hill(taps: int) -> Tensor:
    """Make a filter that smoothes: of sum 1, highest in its middle."""
    hill = torch.hann_window(taps + 2, periodic=False)[1:-1]
    return hill / hill.sum()


def _clamped(values: Tensor, bound: float | None) -> Tensor:
    return values if bound is None else values.clamp(-bound, bound)


def _joined(parts: list[Tensor], axis: int) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, axis)
