"""The generator of lightweight-gan: FastGAN with learned upsampling, other excitation, and attention.

After Liu et al. (ICLR 2021); `lightweight_layers` has what FastGAN does not have. The normalisation after each
convolution is folded into it, and the range [0, 1] of the original's images is scaled to [-1, 1] in the last
convolution (see `lightweight_checkpoint`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from zoo.nn import BilinearUpsample, Convolution, NearestUpsample, Patch, Window
from zoo_adapters.fastgan.lightweight_layers import Attention, Excitation, LightweightSpec, Pointwise
from zoo_adapters.fastgan.network import FIRST_SIDE, GatedConvolution, gate

_SMALLEST_SQUARE = 1e-24  # the squared length below which the first map is not normalised

_CONV_3X3 = Convolution(kernel=3, padding=1)

# A level's map, counted from that of 8x8 pixels, excites the one three levels later.
EXCITES_AFTER = 3


class LightweightLevel(nn.Module):
    """A resolution: attention, upsampling, a filter, a gated convolution; and the excitation of a later map.

    Args:
        spec: its structure.
        side: height and width of its map.
    """

    def __init__(self, spec: LightweightSpec, side: int) -> None:
        super().__init__()
        self.spec = spec
        self.in_size = (side // 2, side // 2)
        self.attention = (
            None if spec.attention == "none" else Attention(spec.in_channels, local=spec.attention == "both")
        )
        self.shuffle = Pointwise(spec.in_channels, 4 * spec.between) if spec.upsampling == "learned" else None
        self.upsample = BilinearUpsample() if spec.upsampling == "bilinear" else NearestUpsample()
        self.blur = nn.Buffer(torch.zeros(3)) if spec.blurred else None
        convolution = Convolution(kernel=spec.kernel, padding=spec.kernel // 2)
        self.conv = GatedConvolution(spec.between, spec.out_channels, side, convolution, noisy=spec.noisy)
        self.excitation = None if spec.excites is None else Excitation(spec, spec.excites, side)

    def input_window(self, window: Window) -> Window:
        """Return the window of the map before that a window of this map needs.

        Args:
            window: the window of this map to compute.

        Returns:
            The window; the whole map where attention reads every pixel.
        """
        if self.attention is not None:
            return Window.whole(self.in_size)
        return self.upsample.input_window(self._upsampled_window(window), self.in_size)

    def forward(self, x: Patch, window: Window) -> Patch:
        """Compute a window of the map.

        Args:
            x: a patch of the map before, of the window that `input_window` gives.
            window: the window to compute.

        Returns:
            The patch (n, out_channels, rows, columns) of that window.
        """
        if self.attention is not None:
            x = Patch(self.attention(x.values), x.window)
        wanted = self._upsampled_window(window)
        x = self._upsample(x.crop(self.upsample.input_window(wanted, self.in_size)), wanted)
        if self.blur is not None:
            x = self._filter(x, self.blur, self.conv.input_window(window))
        made: Patch = self.conv(x, window)
        return made

    def _upsampled_window(self, window: Window) -> Window:
        """Return the window of the upsampled map that a window of the output needs."""
        wanted = self.conv.input_window(window)
        side = self.conv.in_side
        return wanted if self.blur is None else _CONV_3X3.input_window(wanted, (side, side))

    def _upsample(self, x: Patch, window: Window) -> Patch:
        if self.shuffle is None:
            return self.upsample(x, window)
        mapped = self.shuffle(x.values)
        swish = mapped * torch.sigmoid(mapped)
        n, _, rows, columns = swish.shape
        # Four channels become the pixels (0, 0), (0, 1), (1, 0) and (1, 1) that a pixel is divided into.
        pixels = swish.view(n, -1, 2, 2, rows, columns).permute(0, 1, 4, 2, 5, 3)
        (top, bottom), (left, right) = x.window.rows, x.window.columns
        shuffled = Patch(
            pixels.reshape(n, -1, 2 * rows, 2 * columns), Window((2 * top, 2 * bottom), (2 * left, 2 * right))
        )
        return shuffled.crop(window)

    def _filter(self, x: Patch, taps: Tensor, window: Window) -> Patch:
        """Filter a map that is mirrored at its borders, without repeating the pixels there."""
        for axis in (2, 3):
            x = _mirrored(x, axis, self.conv.in_side)
        return _CONV_3X3.filter(x, window, taps)


class LightweightGenerator(nn.Module):
    """From codes to images: a transposed convolution to 4x4 pixels, then a level for each doubling.

    Args:
        dim: numbers of a code.
        specs: the levels' structures, from 8x8 pixels on.
        img_channels: channels of the image.

    Attributes:
        img_resolution: height and width of the image.
        img_channels: channels of the image.
    """

    def __init__(self, dim: int, specs: Sequence[LightweightSpec], *, img_channels: int = 3) -> None:
        super().__init__()
        channels = specs[0].in_channels
        self.start = nn.Parameter(torch.zeros(dim, 2 * channels, FIRST_SIDE, FIRST_SIDE))
        self.start_scale = nn.Parameter(torch.ones(2 * channels))
        self.start_shift = nn.Parameter(torch.zeros(2 * channels))
        self.levels = nn.ModuleList(LightweightLevel(spec, 2 * FIRST_SIDE << index) for index, spec in enumerate(specs))
        self.to_rgb = nn.Conv2d(specs[-1].out_channels, img_channels, kernel_size=3, padding=1)
        self.img_resolution = FIRST_SIDE << len(specs)
        self.img_channels = img_channels

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
        gated = gate(torch.addcmul(self.start_shift[:, None, None], first, self.start_scale[:, None, None]))
        # Each pixel of the first map has the length 1.
        x = Patch.whole(gated * torch.rsqrt(gated.square().sum(dim=1, keepdim=True).clamp_min(_SMALLEST_SQUARE)))
        factors: dict[int, Tensor] = {}
        for index, (level, wanted) in enumerate(zip(self._levels(), self._windows(window), strict=True)):
            x = level(x.crop(level.input_window(wanted)), wanted)
            if level.excitation is not None:  # reads the map before it is excited itself
                factors[index + EXCITES_AFTER] = level.excitation(x.values)
            if index in factors:
                x = Patch(x.values * factors[index], x.window)
        image: Tensor = _CONV_3X3(x, window, self.to_rgb.weight, self.to_rgb.bias).values
        return image

    def _windows(self, window: Window) -> list[Window]:
        """Plan the windows of all levels' maps, from the last one backwards."""
        side = self.img_resolution
        wanted = _CONV_3X3.input_window(window, (side, side))
        planned: list[Window] = []
        for level in self._levels()[::-1]:
            side = level.conv.in_side
            planned.insert(0, wanted if level.excitation is None else Window.whole((side, side)))
            wanted = level.input_window(planned[0])
        return planned

    def _levels(self) -> list[LightweightLevel]:
        return [level for level in self.levels if isinstance(level, LightweightLevel)]


def untrained(network: LightweightGenerator, seed: int) -> LightweightGenerator:
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
            scale = 1.5 * tensor[0].numel() ** -0.5 if tensor.ndim > 1 else 0.3
            if key == "start":
                scale = 1
            tensor.copy_(drawn * scale + key.endswith("scale"))
            if key.endswith("blur"):
                tensor.copy_(torch.tensor([0.25, 0.5, 0.25]))
    return network


def _mirrored(x: Patch, axis: int, side: int) -> Patch:
    """Add the pixel beyond each border of the map that the patch touches, which is the last one but one."""
    first, last = (x.window.rows, x.window.columns)[axis - 2]
    before, after = int(first == 0), int(last == side)
    size = x.values.shape[axis]
    parts = [x.values.narrow(axis, 1, before), x.values, x.values.narrow(axis, size - 1 - after, after)]
    values = torch.cat(parts, dim=axis)
    span = (first - before, last + after)
    return Patch(values, replace(x.window, **{("rows", "columns")[axis - 2]: span}))
