"""The PGGAN generator (Karras et al., "Progressive Growing of GANs", ICLR 2018).

Equalised learning rates are folded into the weights, and nearest-neighbour upsampling with the 3x3 convolution behind
it is one transposed convolution, which has 4 taps a pixel instead of 9 (see `checkpoint`).
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from zoo.nn import Convolution, Growth, Patch, TransposedConvolution, Window, pixel_norm

_SLOPE = 0.2
_CONVOLVE, _DOUBLE = Convolution(kernel=3, padding=1), TransposedConvolution(kernel=4, padding=1, stride=2)


class PGGANGenerator(nn.Module):
    """From z (n, dim) to images (n, 3, side, side): a dense layer to 4x4 pixels, and two layers for each doubling.

    `channels` are those of the maps, from 4x4 on; `lod` is the level of detail (see `zoo.nn.progressive`). The dense
    layer makes pixel after pixel, so that maps lie with their channels last, where convolutions are faster.
    """

    def __init__(self, dim: int, channels: Sequence[int], lod: float = 0.0) -> None:
        super().__init__()
        self.dim, self.growth = dim, Growth(len(channels), lod)
        self.start = nn.Linear(dim, channels[0] * 16)
        self.doubles = nn.ModuleList(
            nn.ConvTranspose2d(wide, narrow, kernel_size=4, stride=2, padding=1) for wide, narrow in pairwise(channels)
        )
        self.convs = nn.ModuleList(nn.Conv2d(width, width, kernel_size=3, padding=1) for width in channels)
        self.colours = nn.ModuleList(nn.Conv2d(width, 3, kernel_size=1) for width in channels)
        self.side = self.growth.side

    def forward(self, z: Tensor, window: Window | None = None) -> Tensor:
        """Render z, which is normalised first, or a window of the picture only."""
        window = window or Window.whole((self.side, self.side))
        first = self.start(pixel_norm(z)).view(len(z), 4, 4, -1).permute(0, 3, 1, 2)
        x = _activated(Patch.whole(first))
        maps: dict[int, Patch] = {}
        for level, (within, wanted) in enumerate(self._windows(window)):
            if level:
                x = _activated(_DOUBLE(x, within, *self._weights(f"doubles.{level - 1}")))
            x = _activated(_CONVOLVE(x, wanted, *self._weights(f"convs.{level}")))
            if level in self.growth.drawn:
                maps[level] = x
        return self.growth.picture(lambda level, part: self.colours[level](maps[level].cut(part).values), window)

    def _weights(self, name: str) -> tuple[Tensor, Tensor]:
        return self.get_parameter(f"{name}.weight"), self.get_parameter(f"{name}.bias")

    def _windows(self, window: Window) -> list[tuple[Window, Window]]:
        """Plan the windows of the two maps of each resolution that is used, from the last one backwards."""
        wanted = self.growth.shown(window)
        plan: list[tuple[Window, Window]] = []
        for level in reversed(range(self.growth.last + 1)):
            within = _CONVOLVE.input_window(wanted, (4 << level, 4 << level))
            plan.insert(0, (within, wanted))
            wanted = _DOUBLE.input_window(within, (2 << level, 2 << level))
        return plan


def untrained(dim: int, channels: Sequence[int], seed: int, lod: float = 0.0) -> PGGANGenerator:
    """Build a network of random weights, scaled as when training begins; the same for the same seed."""
    network = PGGANGenerator(dim, channels, lod)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            spread = 1.4 * tensor[0].numel() ** -0.5 if tensor.ndim > 1 else 0.3
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * spread)
    return network


def _activated(x: Patch) -> Patch:
    """Cut off a part of what is negative, and normalise each pixel."""
    return Patch(pixel_norm(leaky_relu(x.values, _SLOPE)), x.window)
