"""The FastGAN generator (Liu et al., "Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image
Synthesis", ICLR 2021, section 3.1).

Spectral norms are divided out of the weights, nearest-neighbour upsampling is folded into the convolution that follows,
and so is the normalisation after each convolution, except that of the first one (see `checkpoint`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from zoo.nn import Convolution, Kernel, Patch, TransposedConvolution, Window

FIRST_SIDE = 4
_CONV_3X3 = Convolution(kernel=3, padding=1)
_UPSAMPLE_CONV = TransposedConvolution(kernel=4, padding=1, stride=2)


@dataclass(frozen=True)
class LevelSpec:
    """The structure of one resolution.

    Attributes:
        in_channels: channels of the map before.
        out_channels: channels of its own map.
        convolutions: 1 or 2, of which the first upsamples.
        noisy: whether noise is added after each convolution.
        excited_by: the number of the map that excites the channels, 0 for that of 4x4 pixels; None for no excitation.
        exciting_channels: channels of that map.
    """

    in_channels: int
    out_channels: int
    convolutions: int = 1
    noisy: bool = False
    excited_by: int | None = None
    exciting_channels: int = 0


class GatedConvolution(nn.Module):
    """A convolution, noise, and a gated linear unit: one half of the channels times the sigmoid of the other.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output, half as many as the convolution makes.
        side: height and width of the output.
        layer: the convolution; its stride is 1, or that of a transposed one, by which the output is larger.
        noisy: whether noise is added before the gate.
    """

    def __init__(self, in_channels: int, out_channels: int, side: int, layer: Kernel, *, noisy: bool) -> None:
        super().__init__()
        self.layer = layer
        self.in_side = side // layer.stride
        channels = (2 * out_channels, in_channels)
        channels = channels[::-1] if isinstance(layer, TransposedConvolution) else channels
        self.weight = nn.Parameter(torch.zeros(*channels, layer.kernel, layer.kernel))
        self.bias = nn.Parameter(torch.zeros(2 * out_channels))
        self.noise_strength = nn.Parameter(torch.zeros(2 * out_channels)) if noisy else None
        self.noise_const = nn.Buffer(torch.zeros(side, side) if noisy else torch.zeros(0), persistent=False)

    def input_window(self, window: Window) -> Window:
        """Return the window of the input that a window of the output needs.

        Args:
            window: the window of the output to compute.

        Returns:
            The window of the input.
        """
        return self.layer.input_window(window, (self.in_side, self.in_side))

    def forward(self, x: Patch, window: Window) -> Patch:
        """Compute a window of the output.

        Args:
            x: a patch of the input, of the window that `input_window` gives.
            window: the window to compute.

        Returns:
            The patch (n, out_channels, rows, columns) of that window.
        """
        values = self.layer(x, window, self.weight, self.bias).values
        if self.noise_strength is not None:
            noise = Patch.whole(self.noise_const).crop(window).values
            values = values + self.noise_strength[:, None, None] * noise
        return Patch(gate(values), window)


class Excitation(nn.Module):
    """Skip-layer excitation: a factor for each channel of a map, computed from a whole earlier map (equation 1).

    Args:
        in_channels: channels of the earlier map.
        out_channels: channels of the map that is excited.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Parameter(torch.zeros(out_channels, in_channels, FIRST_SIDE, FIRST_SIDE))
        self.excite = nn.Parameter(torch.zeros(out_channels, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Compute the factors.

        Args:
            x: a whole map (n, in_channels, side, side), its side a multiple of 4.

        Returns:
            (n, out_channels, 1, 1), from 0 to 1.
        """
        pooled = avg_pool2d(x, x.shape[-1] // FIRST_SIDE)
        squeezed = pooled.flatten(1) @ self.squeeze.flatten(1).T
        swish = squeezed * torch.sigmoid(squeezed)
        return torch.sigmoid(swish @ self.excite.T)[..., None, None]


class Level(nn.Module):
    """A resolution: one or two gated convolutions, and maybe excitation by an earlier map.

    Args:
        spec: its structure.
        side: height and width of its map.
    """

    def __init__(self, spec: LevelSpec, side: int) -> None:
        super().__init__()
        self.spec = spec
        channels = [spec.in_channels, *[spec.out_channels] * spec.convolutions]
        self.convs = nn.ModuleList(
            GatedConvolution(inputs, spec.out_channels, side, _CONV_3X3 if index else _UPSAMPLE_CONV, noisy=spec.noisy)
            for index, inputs in enumerate(channels[:-1])
        )
        excited = spec.excited_by is not None
        self.excitation = Excitation(spec.exciting_channels, spec.out_channels) if excited else None

    def convolutions(self) -> list[GatedConvolution]:
        """Return the convolutions, in order."""
        return [conv for conv in self.convs if isinstance(conv, GatedConvolution)]


class FastGANGenerator(nn.Module):
    """From codes to images: a transposed convolution to 4x4 pixels, then a level for each doubling.

    Args:
        dim: numbers of a code.
        channels: channels of the map of 4x4 pixels.
        specs: the levels' structures, from 8x8 pixels on.
        img_channels: channels of the image.
        last_kernel: taps of the last convolution along each axis, 3 or 1.
        tanh: whether a tanh follows it.

    Attributes:
        img_resolution: height and width of the image.
        img_channels: channels of the image.
    """

    def __init__(
        self,
        dim: int,
        channels: int,
        specs: Sequence[LevelSpec],
        *,
        img_channels: int = 3,
        last_kernel: int = 3,
        tanh: bool = False,
    ) -> None:
        super().__init__()
        self.tanh = tanh
        self.start = nn.Parameter(torch.zeros(dim, 2 * channels, FIRST_SIDE, FIRST_SIDE))
        self.start_scale = nn.Parameter(torch.ones(2 * channels))
        self.start_shift = nn.Parameter(torch.zeros(2 * channels))
        self.levels = nn.ModuleList(Level(spec, 2 * FIRST_SIDE << index) for index, spec in enumerate(specs))
        self.to_rgb = nn.Parameter(torch.zeros(img_channels, specs[-1].out_channels, last_kernel, last_kernel))
        self.img_resolution = FIRST_SIDE << len(specs)
        self.img_channels = img_channels
        self._last = Convolution(kernel=last_kernel, padding=last_kernel // 2)

    def forward(self, z: Tensor, window: Window | None = None) -> Tensor:
        """Render images.

        Args:
            z: (n, dim).
            window: the window of the image to compute; None for all of it.

        Returns:
            (n, img_channels, height, width) of the image or of the window.
        """
        window = window or Window.whole((self.img_resolution, self.img_resolution))
        first = (z @ self.start.flatten(1)).view(len(z), *self.start.shape[1:])
        scaled = torch.addcmul(self.start_shift[:, None, None], first, self.start_scale[:, None, None])
        maps = [Patch.whole(gate(scaled))]
        for level, windows in zip(self._levels(), self._windows(window), strict=True):
            x = maps[-1]
            for conv, wanted in zip(level.convolutions(), windows, strict=True):
                x = conv(x.crop(conv.input_window(wanted)), wanted)
            if level.excitation is not None and level.spec.excited_by is not None:
                x = Patch(x.values * level.excitation(maps[level.spec.excited_by].values), x.window)
            maps.append(x)
        image: Tensor = self._last(maps[-1], window, self.to_rgb).values
        return torch.tanh(image) if self.tanh else image

    def _windows(self, window: Window) -> list[list[Window]]:
        """Plan the windows of all convolutions of all levels, from the last one backwards."""
        levels = self._levels()
        exciting = {level.spec.excited_by for level in levels}
        side = self.img_resolution
        wanted = self._last.input_window(window, (side, side))
        planned: list[list[Window]] = []
        for number in range(len(levels), 0, -1):
            if number in exciting:  # excitation reads the whole map
                wanted = Window.whole((side, side))
            windows: list[Window] = []
            for conv in levels[number - 1].convolutions()[::-1]:
                windows.insert(0, wanted)
                wanted = conv.input_window(wanted)
            planned.insert(0, windows)
            side //= 2
        return planned

    def _levels(self) -> list[Level]:
        return [level for level in self.levels if isinstance(level, Level)]


def untrained(network: FastGANGenerator, seed: int) -> FastGANGenerator:
    """Fill a network with random weights.

    Args:
        network: the network, to be changed in place.
        seed: the same seed gives the same weights.

    Returns:
        The network.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            drawn = torch.randn(tensor.shape, generator=generator)
            scale = 2 * tensor[0].numel() ** -0.5 if tensor.ndim > 1 else 0.3
            tensor.copy_(drawn * scale + key.endswith("scale"))
    return network


def gate(values: Tensor) -> Tensor:
    """Apply a gated linear unit, as torch cannot map forward-mode derivatives of its own over tangents.

    Args:
        values: (n, 2 channels, rows, columns).

    Returns:
        (n, channels, rows, columns): the first half of the channels times the sigmoid of the second.
    """
    linear, gates = values.chunk(2, dim=1)
    return linear * torch.sigmoid(gates)
