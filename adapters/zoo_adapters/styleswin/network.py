"""The StyleSwin generator (Zhang et al., "StyleSwin: Transformer-based GAN for High-resolution Image Generation", CVPR
2022).

Learning-rate multipliers, and the mean and spread by which the original's images are normalised, are folded into the
weights (see `checkpoint`). Maps are (n, height, width, channels) within the blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, layer_norm

from zoo.nn import Convolution, MappingNetwork, Patch, StyleNetwork, TransposedConvolution, Window
from zoo_adapters.styleswin.blocks import Block, LevelSpec

_EPSILON = 1e-5
_FIRST_SIDE = 4
_BLOCKS = 2  # for each resolution
_LONGEST_WAVE = 10_000

_POINTWISE = Convolution(kernel=1)
_UPSAMPLE_IMAGE = TransposedConvolution(kernel=4, padding=1, stride=2)
_TAPS = (0.25, 0.75, 0.75, 0.25)


class Upsample(nn.Module):
    """Bilinear upsampling, a normalisation of each pixel, other channels, and the position of each pixel (section 3.3).

    Args:
        in_channels: channels of the map.
        out_channels: channels of the larger map, a multiple of 4.
        side: height and width of the larger map.
    """

    def __init__(self, in_channels: int, out_channels: int, side: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(in_channels))
        self.shift = nn.Parameter(torch.zeros(in_channels))
        self.reduction = nn.Linear(in_channels, out_channels, bias=False)
        self.position_strength = nn.Parameter(torch.zeros(()))
        self.positions = nn.Buffer(_sinusoids(side, out_channels // 2), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge maps.

        Args:
            x: (n, side / 2, side / 2, in_channels).

        Returns:
            (n, side, side, out_channels).
        """
        larger = interpolate(x.permute(0, 3, 1, 2), scale_factor=2.0, mode="bilinear").permute(0, 2, 3, 1)
        y = self.reduction(layer_norm(larger, self.scale.shape, self.scale, self.shift, _EPSILON))
        side = len(self.positions)
        # The first half of the channels tells the column, the second half the row.
        columns, rows = (self.positions.unsqueeze(axis).expand(side, side, -1) for axis in (0, 1))
        positioned: Tensor = y + self.position_strength * torch.cat([columns, rows], dim=-1)
        return positioned


class ToRGB(nn.Module):
    """A 1x1 convolution to the channels of the image.

    Args:
        in_channels: channels of the maps.
        img_channels: channels of the image.
    """

    def __init__(self, in_channels: int, img_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(img_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(img_channels))

    def forward(self, x: Patch, window: Window) -> Patch:
        """Compute a window of the output.

        Args:
            x: a patch of the maps that holds the window.
            window: the window to compute.

        Returns:
            The patch (n, img_channels, rows, columns) of that window.
        """
        return _POINTWISE(x, window, self.weight, self.bias)


class StyleSwinGenerator(StyleNetwork):
    """From w to images: a constant of 4x4 pixels, and two blocks for each resolution.

    Block i reads row i of w. The image is a sum of the outputs of ToRGB layers, each enlarged by a filter: those after
    each upsampling, and one after the last block.

    Args:
        mapping: the mapping network.
        specs: the structure of each resolution, from 4x4 pixels on.
        img_channels: channels of the image.
    """

    img_resolution: int

    def __init__(self, mapping: MappingNetwork, specs: Sequence[LevelSpec], img_channels: int = 3) -> None:
        super().__init__()
        self.mapping = mapping
        self.const = nn.Parameter(torch.zeros(_FIRST_SIDE, _FIRST_SIDE, specs[0].channels))
        self.blocks = nn.ModuleList()
        self.upsamples = nn.ModuleList()
        self.to_rgb = nn.ModuleList()
        for level, spec in enumerate(specs):
            side = _FIRST_SIDE << level
            self.blocks.extend(Block(mapping.w_dim, spec, side) for _ in range(_BLOCKS))
            following = spec.channels
            if level < len(specs) - 1:
                following = specs[level + 1].channels
                self.upsamples.append(Upsample(spec.channels, following, 2 * side))
            self.to_rgb.append(ToRGB(following, img_channels))
        taps = torch.tensor(_TAPS)
        self.resample_filter = nn.Buffer(torch.outer(taps, taps).expand(img_channels, 1, -1, -1), persistent=False)
        self.img_resolution = _FIRST_SIDE << (len(specs) - 1)
        self.img_channels = img_channels
        self.num_ws = _BLOCKS * len(specs)

    def forward(self, w: Tensor, window: Window | None = None) -> Tensor:
        """Render images.

        Args:
            w: (n, num_ws, w_dim).
            window: the window of the image to compute; None for all of it. Only the linear layers of the last block
                and the ToRGB layers compute less for a window.

        Returns:
            (n, img_channels, height, width) of the image or of the window.
        """
        windows = self._image_windows(window or Window.whole((self.img_resolution, self.img_resolution)))
        x = self.const.expand(len(w), *self.const.shape)
        image: Patch | None = None
        for level, (to_rgb, wanted) in enumerate(zip(self.to_rgb, windows, strict=True)):
            x = self.blocks[_BLOCKS * level](x, w[:, _BLOCKS * level])
            is_last = level == len(self.upsamples)
            last_row = _BLOCKS * level + 1
            x = self.blocks[last_row](x, w[:, last_row], wanted if is_last else None)
            if not is_last:
                x = self.upsamples[level](x)
            maps = x.permute(0, 3, 1, 2)
            rgb = to_rgb(Patch(maps, wanted) if is_last else Patch.whole(maps), wanted)
            if image is not None:
                below = image if is_last else self._upsample(image, wanted)
                rgb = Patch(rgb.values + below.values, wanted)
            image = rgb
        assert image is not None
        return image.values

    def _upsample(self, image: Patch, window: Window) -> Patch:
        return _UPSAMPLE_IMAGE(image, window, self.resample_filter, groups=self.img_channels)

    def _image_windows(self, window: Window) -> list[Window]:
        """List the windows of the ToRGB layers that a window of the image needs; the last two have the same size."""
        windows = [window, window]
        side = self.img_resolution
        while len(windows) < len(self.to_rgb):
            side //= 2
            windows.insert(0, _UPSAMPLE_IMAGE.input_window(windows[0], (side, side)))
        return windows[-len(self.to_rgb) :]


def untrained(w_dim: int, specs: Sequence[LevelSpec], seed: int, *, depth: int = 2) -> StyleSwinGenerator:
    """Build a network of random weights.

    Args:
        w_dim: numbers of a row of w, and of z.
        specs: the structure of each resolution, from 4x4 pixels on.
        seed: the same seed gives the same weights.
        depth: layers of the mapping.

    Returns:
        The network.
    """
    network = StyleSwinGenerator(MappingNetwork(w_dim, [w_dim] * (depth + 1), 0), specs)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            std = tensor[0].numel() ** -0.5 if key.endswith("weight") else 0.3
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * std + key.endswith("scale"))
            if key.endswith(("affine1.bias", "affine2.bias")):
                tensor[: len(tensor) // 2] += 1
    return network


def _sinusoids(side: int, dim: int) -> Tensor:
    """Encode the positions 1 to side by sines and cosines of `dim` / 2 wavelengths: (side, dim)."""
    half = dim // 2
    rates = torch.exp(torch.arange(half) * -(log(_LONGEST_WAVE) / (half - 1)))
    angles = torch.arange(1, side + 1, dtype=torch.float32)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)
