"""The StyleGAN generator (Karras et al., "A Style-Based Generator Architecture for GANs", CVPR 2019).

Equalised learning rates and the 1 that is added to styles are folded into the weights, and nearest-neighbour upsampling
into the 3x3 convolution that follows, which takes 4 taps a pixel instead of 9 (see `checkpoint`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu

from zoo.nn import Growth, MappingNetwork, ModulatedNetwork, Patch, Window, store_as

_SLOPE = 0.2
_EPSILON = 1e-8


@dataclass(frozen=True)
class StyleModulation:
    """Maps with a style that is not applied yet: scale · values + shift.

    Attributes:
        values: (n, channels, height, width), of mean 0 in each channel.
        scale: (n, channels).
        shift: (n, channels).
    """

    values: Tensor
    scale: Tensor
    shift: Tensor

    def apply(self) -> Tensor:
        """Return the scaled and shifted maps (n, channels, height, width)."""
        return torch.addcmul(self.shift[:, :, None, None], self.values, self.scale[:, :, None, None])


class SynthesisLayer(nn.Module):
    """Noise, bias and activation after a convolution, and adaptive instance normalisation (AdaIN, equation 1).

    AdaIN(x, w) = y_s (x − μ(x)) / σ(x) + y_b, with the styles (y_s, y_b) = affine(w). Mean and spread are taken over
    the whole map, so that a window of the output needs the whole input.

    The state dict holds `noise_const` as ``noise`` and `noise_strength` as ``strength``.

    Args:
        w_dim: numbers of a row of w.
        channels: channels of the maps.
        resolution: height and width of the maps.
    """

    def __init__(self, w_dim: int, channels: int, resolution: int) -> None:
        super().__init__()
        self.affine = nn.Linear(w_dim, 2 * channels)
        self.bias = nn.Parameter(torch.zeros(channels))
        self.noise_const = nn.Buffer(torch.zeros(resolution, resolution))
        self.noise_strength = nn.Buffer(torch.zeros(channels))
        store_as(self, {"noise_const": "noise", "noise_strength": "strength"})

    def forward(self, x: Tensor, styles: Tensor) -> StyleModulation:
        """Activate and normalise maps, and give them their style.

        Args:
            x: (n, channels, height, width).
            styles: scales and then shifts, as `affine` gives them of the layer's row of w, (n, 2 · channels).

        Returns:
            The normalised maps with their style.
        """
        noise = self.noise_strength[:, None, None] * self.noise_const
        # Instance normalisation: x − μ, and 1 / σ, which joins the scale.
        y = leaky_relu(x + (self.bias[:, None, None] + noise), _SLOPE)
        centred = y - y.mean(dim=(2, 3), keepdim=True)
        inverse_std = torch.rsqrt(centred.square().mean(dim=(2, 3)) + _EPSILON)
        scale, shift = styles.chunk(2, dim=1)
        return StyleModulation(centred, scale * inverse_std, shift)


class ToRGB(nn.Module):
    """A 1x1 convolution to the channels of the image.

    Args:
        in_channels: channels of the maps.
        img_channels: channels of the image.
    """

    def __init__(self, in_channels: int, img_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(img_channels, in_channels))
        self.bias = nn.Parameter(torch.zeros(img_channels))

    def forward(self, x: StyleModulation, window: Window) -> Tensor:
        """Compute a window of the output.

        Args:
            x: whole maps with their style.
            window: the window to compute.

        Returns:
            (n, img_channels, rows, columns).
        """
        # W (scale · x + shift) + b = (W · scale) x + (b + W shift): the style is applied to the weights, which are
        # fewer than the pixels.
        values = Patch.whole(x.values).crop(window).values
        bias = self.bias + x.shift @ self.weight.T
        rgb = torch.baddbmm(bias[:, :, None], self.weight * x.scale[:, None], values.flatten(2))
        return rgb.view(*rgb.shape[:2], *values.shape[2:])


class StyleGANGenerator(ModulatedNetwork):
    """From w to images: a constant of 4x4 pixels, and two layers for each resolution.

    Layer i reads row i of w. The first layer follows the constant, every other one a convolution, so that `convs` has
    one module less than `layers`. The state dict holds `const` as ``constant`` and `to_rgb` as ``colours``.

    Args:
        mapping: the mapping network.
        w_dim: numbers of a row of w.
        channels: those of the maps, from 4x4 pixels on.
        lod: the level of detail (see `zoo.nn.Growth`).
        img_channels: channels of the image.
    """

    img_resolution: int

    def __init__(
        self,
        mapping: MappingNetwork,
        w_dim: int,
        channels: Sequence[int],
        lod: float = 0.0,
        img_channels: int = 3,
    ) -> None:
        super().__init__()
        self.mapping = mapping
        self.growth = Growth(len(channels), lod)
        self.const = nn.Parameter(torch.zeros(channels[0], 4, 4))
        self.layers = nn.ModuleList()
        self.convs = nn.ModuleList()
        in_channels = 0
        for level, width in enumerate(channels):
            if level:
                self.convs.append(nn.ConvTranspose2d(in_channels, width, 4, stride=2, padding=1, bias=False))
            self.convs.append(nn.Conv2d(width, width, 3, padding=1, bias=False))
            self.layers.extend(SynthesisLayer(w_dim, width, 4 << level) for _ in range(2))
            in_channels = width
        self.to_rgb = nn.ModuleList(ToRGB(width, img_channels) for width in channels)
        taps = (0.25, 0.5, 0.25)
        self.blur = nn.Buffer(torch.tensor([[row * column for column in taps] for row in taps]), persistent=False)
        self.img_resolution = self.growth.img_resolution
        self.img_channels = img_channels
        self.num_ws = 2 * (self.growth.last_level + 1)
        store_as(self, {"const": "constant", "to_rgb": "colours"})

    def affine_maps(self) -> list[tuple[int, nn.Module]]:
        """List the affine maps in the order of the forward pass; see `ModulatedNetwork.affine_maps`.

        Returns:
            For each layer, its number, which is that of its row of w, and the linear module.
        """
        return [(index, self.layers[index].get_submodule("affine")) for index in range(self.num_ws)]

    def synthesize(self, styles: Sequence[Tensor], window: Window | None = None) -> Tensor:
        """Render images of styles.

        Args:
            styles: for each layer, (n, 2 · channels), scales first.
            window: the window of the image to compute; None for all of it. Only the ToRGB layers compute less for a
                window.

        Returns:
            (n, img_channels, height, width) of the image or of the window.
        """
        x = self.const.expand(len(styles[0]), *self.const.shape)
        modulated: dict[int, StyleModulation] = {}
        # Each resolution has two layers. At a level of detail above 0, the last ones are not computed.
        for index in range(self.num_ws):
            level = index // 2
            y: StyleModulation = self.layers[index](x, styles[index])
            if index % 2 == 0 or level < self.growth.last_level:
                x = self._convolve(index, y.apply())
            if index % 2 and level in self.growth.visible_levels:
                modulated[level] = y
        whole = Window.whole((self.img_resolution, self.img_resolution))
        return self.growth.render(lambda level, part: self.to_rgb[level](modulated[level], part), window or whole)

    def _convolve(self, index: int, x: Tensor) -> Tensor:
        """Apply convolution `index`; one that upsamples is followed by a blur."""
        weight = self.convs[index].get_parameter("weight")
        if index % 2 == 0:
            return conv2d(x, weight, padding=1)
        # Upsampling and convolution in one, then the filter [1, 2, 1] along both axes.
        upsampled = conv_transpose2d(x, weight, stride=2, padding=1)
        channels = len(upsampled[0])
        return conv2d(upsampled, self.blur.expand(channels, 1, 3, 3), padding=1, groups=channels)


def untrained(
    w_dim: int,
    channels: Sequence[int],
    seed: int,
    *,
    z_dim: int | None = None,
    depth: int = 2,
    classes: int = 0,
    lod: float = 0.0,
    img_channels: int = 3,
) -> StyleGANGenerator:
    """Build a network of random weights and noise, scaled as at the beginning of training.

    Args:
        w_dim: numbers of a row of w.
        channels: those of the maps, from 4x4 pixels on.
        seed: the same seed gives the same weights.
        z_dim: numbers of z; None for `w_dim`.
        depth: layers of the mapping.
        classes: how many classes there are; 0 for an unconditional network.
        lod: the level of detail.
        img_channels: channels of the image.

    Returns:
        The network.
    """
    z_dim = z_dim or w_dim
    widths = [2 * z_dim if classes else z_dim, *[w_dim] * depth]
    mapping = MappingNetwork(z_dim, widths, classes, normalize_with_label=True)
    network = StyleGANGenerator(mapping, w_dim, channels, lod, img_channels)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            std = 1.4 * tensor[0].numel() ** -0.5 if tensor.ndim in {2, 4} and not key.endswith("noise") else 0.3
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * std)
            if key.endswith("affine.bias"):
                tensor[: len(tensor) // 2] += 1
    return network
