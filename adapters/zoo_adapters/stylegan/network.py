"""The StyleGAN generator (Karras et al., "A Style-Based Generator Architecture for GANs", CVPR 2019).

Equalised learning rates and the 1 added to styles are folded into the weights, and nearest-neighbour upsampling with
the 3x3 convolution behind it is one transposed convolution, which has 4 taps a pixel instead of 9 (see `checkpoint`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu

from zoo.nn import Growth, MappingNetwork, Patch, StyleNetwork, Window

_SLOPE = 0.2
_EPSILON = 1e-8


@dataclass(frozen=True)
class StyleModulation:
    """Maps (n, channels, h, w) that are yet to be scaled and shifted by channel (n, channels)."""

    values: Tensor
    scale: Tensor
    shift: Tensor

    def applied(self) -> Tensor:
        """Scale and shift."""
        return torch.addcmul(self.shift[:, :, None, None], self.values, self.scale[:, :, None, None])


class SynthesisLayer(nn.Module):
    """Noise, bias and activation behind a convolution; then every channel gets mean and spread from a row of w.

    Its own mean and spread are taken over the whole map (instance normalisation): no window of it can do with less.
    """

    def __init__(self, dim: int, channels: int, side: int) -> None:
        super().__init__()
        self.affine = nn.Linear(dim, 2 * channels)
        self.bias = nn.Parameter(torch.zeros(channels))
        self.noise = nn.Buffer(torch.zeros(side, side))
        self.strength = nn.Buffer(torch.zeros(channels))

    def forward(self, x: Tensor, w: Tensor) -> StyleModulation:
        """Normalise x, and find the style of w (n, dim): the spreads in its first half, the means in the second."""
        y = leaky_relu(x + (self.bias[:, None, None] + self.strength[:, None, None] * self.noise), _SLOPE)
        centred = y - y.mean(dim=(2, 3), keepdim=True)
        spread = torch.rsqrt(centred.square().mean(dim=(2, 3)) + _EPSILON)
        scale, shift = self.affine(w).chunk(2, dim=1)
        return StyleModulation(centred, scale * spread, shift)


class ToRGB(nn.Module):
    """A 1x1 convolution to three channels."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, inputs))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: StyleModulation, wanted: Window) -> Tensor:
        """Compute a window of the picture; the style scales the weights, which are fewer than the pixels."""
        values = Patch.whole(x.values).cut(wanted).values
        bias = self.bias + x.shift @ self.weight.T
        colours = torch.baddbmm(bias[:, :, None], self.weight * x.scale[:, None], values.flatten(2))
        return colours.view(-1, 3, *values.shape[2:])


class StyleGANGenerator(StyleNetwork):
    """From w (n, rows, dim) to images (n, 3, side, side): a constant of 4x4 pixels, and two layers for each doubling.

    `channels` are those of the maps, from 4x4 on; `lod` is the level of detail (see `zoo.nn.progressive`). Layer i
    reads row i. The first one is behind the constant, every other one behind a convolution: `convs` has one less than
    `layers`.
    """

    def __init__(self, mapping: MappingNetwork, dim: int, channels: Sequence[int], lod: float = 0.0) -> None:
        super().__init__()
        self.mapping, self.growth = mapping, Growth(len(channels), lod)
        self.constant = nn.Parameter(torch.zeros(channels[0], 4, 4))
        self.layers, self.convs, before = nn.ModuleList(), nn.ModuleList(), 0
        for level, width in enumerate(channels):
            if level:
                self.convs.append(nn.ConvTranspose2d(before, width, 4, stride=2, padding=1, bias=False))
            self.convs.append(nn.Conv2d(width, width, 3, padding=1, bias=False))
            self.layers.extend(SynthesisLayer(dim, width, 4 << level) for _ in range(2))
            before = width
        self.colours = nn.ModuleList(ToRGB(width) for width in channels)
        self.blur = nn.Buffer(torch.tensor([1.0, 2.0, 1.0]).outer(torch.tensor([1.0, 2.0, 1.0])) / 16, persistent=False)
        self.side, self.rows = self.growth.side, 2 * (self.growth.last + 1)

    def forward(self, w: Tensor, window: Window | None = None) -> Tensor:
        """Render w (n, rows, dim), or a window of the picture only, which spares nothing but the colours."""
        x = self.constant.expand(len(w), *self.constant.shape)
        made: dict[int, StyleModulation] = {}
        for row in range(self.rows):
            level = row // 2
            styled: StyleModulation = self.layers[row](x, w[:, row])
            if row % 2 == 0 or level < self.growth.last:
                x = self._convolved(row, styled.applied())
            if row % 2 and level in self.growth.drawn:
                made[level] = styled
        whole = Window.whole((self.side, self.side))
        return self.growth.picture(lambda level, part: self.colours[level](made[level], part), window or whole)

    def _convolved(self, index: int, x: Tensor) -> Tensor:
        """Convolve; a convolution that doubles its map is followed by a filter that smoothes it."""
        weight = self.convs[index].get_parameter("weight")
        if index % 2 == 0:
            return conv2d(x, weight, padding=1)
        doubled = conv_transpose2d(x, weight, stride=2, padding=1)
        return conv2d(doubled, self.blur.expand(len(doubled[0]), 1, 3, 3), padding=1, groups=len(doubled[0]))


def untrained(
    dim: int,
    channels: Sequence[int],
    seed: int,
    *,
    dim_z: int | None = None,
    depth: int = 2,
    classes: int = 0,
    lod: float = 0.0,
) -> StyleGANGenerator:
    """Build a network of random weights and noise, scaled as when training begins; the same for the same seed."""
    dim_z = dim_z or dim
    mapping = MappingNetwork(dim_z, [2 * dim_z if classes else dim_z, *[dim] * depth], classes, together=True)
    network = StyleGANGenerator(mapping, dim, channels, lod)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            spread = 1.4 * tensor[0].numel() ** -0.5 if tensor.ndim in {2, 4} and not key.endswith("noise") else 0.3
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * spread)
            if key.endswith("affine.bias"):
                tensor[: len(tensor) // 2] += 1
    return network
