"""The StyleGAN2 generator (Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020).

All constants that a file format leaves to run time are folded into the weights (see `checkpoint`): equalised learning
rates, the gain √2 of the activations, and the 1 that is added to styles.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from zoo.nn import Convolution, MappingNetwork, Patch, StyleNetwork, TransposedConvolution, Window, store_as

_SLOPE = 0.2
_EPSILON = 1e-8
_CONV_3X3 = Convolution(kernel=3, padding=1)
_UPSAMPLE_CONV = TransposedConvolution(kernel=3, stride=2)
_RESAMPLE = Convolution(kernel=4, padding=1)
_UPSAMPLE_IMAGE = TransposedConvolution(kernel=4, padding=1, stride=2)


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
        self.resample_filter = nn.Buffer(_resample_filter(out_channels if upsample else 0), persistent=False)
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

    def forward(self, x: Patch, w: Tensor, window: Window) -> Patch:
        """Compute a window of the output.

        Args:
            x: a patch of the input, of the window that `input_window` gives.
            w: the layer's row of w, (n, w_dim).
            window: the window to compute.

        Returns:
            The patch (n, out_channels, rows, columns) of that window.
        """
        # Modulation and demodulation (equations 1 and 3), applied to activations instead of weights:
        # y_j = Σ_i w_ij ∗ (s_i x_i) / √(Σ_i s_i² Σ w_ij² + ε). All codes share one convolution, and a derivative needs
        # only one for each tangent.
        styles = self.affine(w)
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

    def forward(self, x: Patch, w: Tensor, window: Window) -> Tensor:
        """Compute a window of the output.

        Args:
            x: a patch of the input that covers the window.
            w: the layer's row of w, (n, w_dim).
            window: the window to compute.

        Returns:
            (n, img_channels, rows, columns).
        """
        values = x.crop(window).values
        # The weights of so few outputs are fewer than the pixels, so that here the weights are modulated.
        weight = self.weight * self.affine(w)[:, None]
        rgb = torch.baddbmm(self.bias[:, None], weight, values.flatten(2))
        return _clamp(rgb.view(*rgb.shape[:2], *values.shape[2:]), self.conv_clamp)


class StyleGAN2Generator(StyleNetwork):
    """From w to images: a constant, two layers for each resolution, and skip connections of RGB images.

    Layer i reads row i of w. The ToRGB layer of a resolution reads the row after its layers' rows, which the first
    layer of the next resolution reads too. The state dict holds `const` as ``constant`` and `to_rgb` as ``colours``.

    Args:
        mapping: the mapping network.
        w_dim: numbers of a row of w.
        channels: those of the maps, from the constant on.
        conv_clamp: the bound of the layers' absolute values, which NVIDIA's networks have that compute in half
            precision; or None.
        img_channels: channels of the image.
        first_size: height and width of the constant, which each later resolution doubles.
    """

    def __init__(
        self,
        mapping: MappingNetwork,
        w_dim: int,
        channels: Sequence[int],
        conv_clamp: float | None = None,
        img_channels: int = 3,
        *,
        first_size: tuple[int, int] = (4, 4),
    ) -> None:
        super().__init__()
        self.mapping = mapping
        self.const = nn.Parameter(torch.zeros(channels[0], *first_size))
        self.img_resolution = size = first_size
        layers = [SynthesisLayer(w_dim, channels[0], channels[0], size, upsample=False, conv_clamp=conv_clamp)]
        for inputs, outputs in pairwise(channels):
            self.img_resolution = size = (2 * size[0], 2 * size[1])
            layers.append(SynthesisLayer(w_dim, inputs, outputs, size, upsample=True, conv_clamp=conv_clamp))
            layers.append(SynthesisLayer(w_dim, outputs, outputs, size, upsample=False, conv_clamp=conv_clamp))
        self.layers = nn.ModuleList(layers)
        self.to_rgb = nn.ModuleList(ToRGB(w_dim, width, img_channels, conv_clamp) for width in channels)
        self.resample_filter = nn.Buffer(_resample_filter(img_channels), persistent=False)
        self.img_channels = img_channels
        self.num_ws = 2 * len(channels)
        store_as(self, {"const": "constant", "to_rgb": "colours"})
        self.register_load_state_dict_post_hook(lambda module, _: module.fold())  # type: ignore[no-untyped-call]

    def fold(self) -> None:
        """Recompute what depends on the weights alone; called whenever a state is loaded."""
        for layer in self._layers():
            layer.fold()

    def forward(self, w: Tensor, window: Window | None = None) -> Tensor:
        """Render images.

        Args:
            w: (n, num_ws, w_dim).
            window: the window of the image to compute; None for all of it.

        Returns:
            (n, img_channels, height, width) of the image or of the window.
        """
        layer_windows, image_windows = self._windows(window or Window.whole(self.sizes()[-1]))
        x = Patch.whole(self.const.expand(len(w), *self.const.shape))
        image: Patch | None = None
        for index, (layer, wanted) in enumerate(zip(self._layers(), layer_windows, strict=True)):
            x = layer(x, w[:, index], wanted)
            if index % 2 == 0:
                image = self._add_rgb(image, x, w[:, index + 1], index // 2, image_windows[index // 2])
        assert image is not None
        return image.values

    def _add_rgb(self, image: Patch | None, x: Patch, w: Tensor, level: int, window: Window) -> Patch:
        """Add a resolution's ToRGB output to the upsampled image of the resolution below."""
        rgb = self.to_rgb[level](x, w, window)
        if image is None:
            return Patch(rgb, window)
        upsampled = _UPSAMPLE_IMAGE(image, window, self.resample_filter, groups=self.img_channels)
        return Patch(upsampled.values + rgb, window)

    def _windows(self, window: Window) -> tuple[list[Window], list[Window]]:
        """Plan the windows of all layers' outputs and of all resolutions' images, from the last ones backwards."""
        layers = self._layers()
        layer_windows, image_windows = [window], [window]
        for height, width in self.sizes()[:0:-2]:
            image_windows.insert(0, _UPSAMPLE_IMAGE.input_window(image_windows[0], (height // 2, width // 2)))
            layer_windows.insert(0, layers[len(layers) - len(layer_windows)].input_window(layer_windows[0]))
            # The last layer of a resolution is read by the next layer and by ToRGB.
            next_input = layers[len(layers) - len(layer_windows)].input_window(layer_windows[0])
            layer_windows.insert(0, next_input | image_windows[0])
        return layer_windows, image_windows

    def sizes(self) -> list[tuple[int, int]]:
        """Return height and width of each layer's output."""
        return [(layer.noise_const.shape[0], layer.noise_const.shape[1]) for layer in self._layers()]

    def _layers(self) -> list[SynthesisLayer]:
        return [layer for layer in self.layers if isinstance(layer, SynthesisLayer)]


def untrained(
    w_dim: int,
    channels: Sequence[int],
    seed: int,
    *,
    z_dim: int | None = None,
    depth: int = 2,
    classes: int = 0,
    normalize_with_label: bool = False,
    conv_clamp: float | None = None,
    img_channels: int = 3,
    first_size: tuple[int, int] = (4, 4),
) -> StyleGAN2Generator:
    """Build a network of random weights and noise, scaled as at the beginning of training.

    Args:
        w_dim: numbers of a row of w.
        channels: those of the maps, from 4x4 pixels on.
        seed: the same seed gives the same weights.
        z_dim: numbers of z; None for `w_dim`.
        depth: layers of the mapping.
        classes: how many classes there are; 0 for an unconditional network.
        normalize_with_label: as `zoo.nn.MappingNetwork` takes it.
        conv_clamp: as `StyleGAN2Generator` takes it.
        img_channels: channels of the image.
        first_size: as `StyleGAN2Generator` takes it.

    Returns:
        The network.
    """
    z_dim = z_dim or w_dim
    widths = [z_dim + (w_dim if classes else 0), *[w_dim] * depth]
    mapping = MappingNetwork(z_dim, widths, classes, normalize_with_label=normalize_with_label)
    network = StyleGAN2Generator(mapping, w_dim, channels, conv_clamp, img_channels, first_size=first_size)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            std = tensor[0].numel() ** -0.5 if tensor.ndim in {2, 4} and not key.endswith("noise") else 0.5
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * std + key.endswith("affine.bias"))
    return network


def _clamp(x: Tensor, bound: float | None) -> Tensor:
    return x if bound is None else x.clamp(-bound, bound)


def _resample_filter(channels: int) -> Tensor:
    """Make the filter [1, 3, 3, 1] along both axes, for upsampled maps: (channels, 1, 4, 4)."""
    # Taps of sum 2 along each axis make up for the zeros between the points.
    taps = (0.25, 0.75, 0.75, 0.25)
    kernel = [[row * column for column in taps] for row in taps]
    return torch.tensor([kernel] * channels).view(channels, 1, 4, 4)
