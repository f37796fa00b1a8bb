"""The PGGAN generator (Karras et al., "Progressive Growing of GANs", ICLR 2018).

Equalised learning rates are folded into the weights, and nearest-neighbour upsampling into the 3x3 convolution after
it, which takes 4 taps a pixel instead of 9 (see `checkpoint`).
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from zoo.nn import Convolution, Growth, Patch, TransposedConvolution, Window, pixel_norm, store_as

_SLOPE = 0.2
_CONV_3X3 = Convolution(kernel=3, padding=1)
_UPSAMPLE_CONV = TransposedConvolution(kernel=4, padding=1, stride=2)


class PGGANGenerator(nn.Module):
    """From z to images: a dense layer to 4x4 pixels, and two convolutions for each resolution.

    The dense layer makes one pixel after the other, so that maps have their channels last in memory, with which
    convolutions are faster. The state dict holds `upsample_convs` as ``doubles`` and `to_rgb` as ``colours``.

    Args:
        dim: numbers of a code.
        channels: those of the maps, from 4x4 pixels on.
        lod: the level of detail (see `zoo.nn.Growth`).
        img_channels: channels of the image.

    Attributes:
        img_resolution: height and width of the image.
    """

    def __init__(self, dim: int, channels: Sequence[int], lod: float = 0.0, img_channels: int = 3) -> None:
        super().__init__()
        self.dim = dim
        self.img_channels = img_channels
        self.growth = Growth(len(channels), lod)
        self.start = nn.Linear(dim, channels[0] * 16)
        self.upsample_convs = nn.ModuleList(
            nn.ConvTranspose2d(inputs, outputs, kernel_size=4, stride=2, padding=1)
            for inputs, outputs in pairwise(channels)
        )
        self.convs = nn.ModuleList(nn.Conv2d(width, width, kernel_size=3, padding=1) for width in channels)
        self.to_rgb = nn.ModuleList(nn.Conv2d(width, img_channels, kernel_size=1) for width in channels)
        self.img_resolution = self.growth.img_resolution
        store_as(self, {"upsample_convs": "doubles", "to_rgb": "colours"})

    def forward(self, z: Tensor, window: Window | None = None) -> Tensor:
        """Render images.

        Args:
            z: (n, dim); it is normalised first.
            window: the window of the image to compute; None for all of it.

        Returns:
            (n, img_channels, height, width) of the image or of the window.
        """
        window = window or Window.whole((self.img_resolution, self.img_resolution))
        # (n, 4 · 4 · channels), channels last
        first = self.start(pixel_norm(z)).view(len(z), 4, 4, -1).permute(0, 3, 1, 2)
        x = _activate(Patch.whole(first))
        maps: dict[int, Patch] = {}
        for level, (inner, wanted) in enumerate(self._windows(window)):
            if level:
                x = _activate(_UPSAMPLE_CONV(x, inner, *_weights(self.upsample_convs[level - 1])))
            x = _activate(_CONV_3X3(x, wanted, *_weights(self.convs[level])))
            if level in self.growth.visible_levels:
                maps[level] = x
        return self.growth.render(lambda level, part: self.to_rgb[level](maps[level].crop(part).values), window)

    def _windows(self, window: Window) -> list[tuple[Window, Window]]:
        """Plan the windows of the two maps of each resolution that is used, from the last one backwards."""
        window = self.growth.level_window(window)
        planned: list[tuple[Window, Window]] = []
        for level in reversed(range(self.growth.last_level + 1)):
            inner = _CONV_3X3.input_window(window, (4 << level, 4 << level))
            planned.insert(0, (inner, window))
            window = _UPSAMPLE_CONV.input_window(inner, (2 << level, 2 << level))
        return planned


def untrained(dim: int, channels: Sequence[int], seed: int, lod: float = 0.0, img_channels: int = 3) -> PGGANGenerator:
    """Build a network of random weights, scaled as at the beginning of training.

    Args:
        dim: numbers of a code.
        channels: those of the maps, from 4x4 pixels on.
        seed: the same seed gives the same weights.
        lod: the level of detail.
        img_channels: channels of the image.

    Returns:
        The network.
    """
    network = PGGANGenerator(dim, channels, lod, img_channels)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            std = 1.4 * tensor[0].numel() ** -0.5 if tensor.ndim > 1 else 0.3
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * std)
    return network


def _activate(x: Patch) -> Patch:
    """Apply the leaky ReLU, and normalise each pixel."""
    return Patch(pixel_norm(leaky_relu(x.values, _SLOPE)), x.window)


def _weights(layer: nn.Module) -> tuple[Tensor, Tensor]:
    return layer.get_parameter("weight"), layer.get_parameter("bias")
