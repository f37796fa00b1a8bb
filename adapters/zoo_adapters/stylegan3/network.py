"""The StyleGAN3 generator (Karras et al., "Alias-Free Generative Adversarial Networks", NeurIPS 2021), T and R.

Maps are samples of continuous signals. Each has a margin around the image, and each nonlinearity acts at a higher
sampling rate, between a filter that raises the rate and one that lowers it. All constants that a file format leaves to
run time are folded into the weights (see `checkpoint`).
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from zoo.nn import MappingNetwork, Patch, StyleNetwork, Window, store_as
from zoo_adapters.stylegan3.synthesis_input import SynthesisInput
from zoo_adapters.stylegan3.synthesis_layer import Resampling, SynthesisLayer, clamp


class ToRGB(nn.Module):
    """A modulated 1x1 convolution to the channels of the image, without demodulation.

    Args:
        w_dim: numbers of a row of w.
        in_channels: channels of the input.
        img_channels: channels of the image.
        conv_clamp: the bound of the output's absolute values, or None.
    """

    def __init__(self, w_dim: int, in_channels: int, img_channels: int, conv_clamp: float | None) -> None:
        super().__init__()
        self.conv_clamp = conv_clamp
        self.affine = nn.Linear(w_dim, in_channels)
        self.weight = nn.Parameter(torch.zeros(img_channels, in_channels))
        self.bias = nn.Parameter(torch.zeros(img_channels))

    def forward(self, x: Patch, w: Tensor) -> Tensor:
        """Compute the window that x covers.

        Args:
            x: a patch (n, in_channels, rows, columns).
            w: the layer's row of w, (n, w_dim).

        Returns:
            (n, img_channels, rows, columns).
        """
        # The weights of so few outputs are fewer than the pixels, so that here the weights are modulated.
        weight = self.weight * self.affine(w)[:, None]
        rgb = torch.baddbmm(self.bias[:, None], weight, x.values.flatten(2))
        return clamp(rgb.view(*rgb.shape[:2], *x.values.shape[2:]), self.conv_clamp)


class StyleGAN3Generator(StyleNetwork):
    """From w to images: row 0 of w is the input's, row i + 1 that of layer i, the last one that of ToRGB.

    The state dict holds `to_rgb` as ``colour``.

    Args:
        mapping: the mapping network.
        start: the Fourier features.
        layers: the layers, in order.
        to_rgb: the last layer.
    """

    img_resolution: int

    def __init__(
        self, mapping: MappingNetwork, start: SynthesisInput, layers: Sequence[SynthesisLayer], to_rgb: ToRGB
    ) -> None:
        super().__init__()
        self.mapping = mapping
        self.input = start
        self.to_rgb = to_rgb
        self.layers = nn.ModuleList(layers)
        self.img_resolution = layers[-1].resampling.out_size
        self.img_channels = len(to_rgb.bias)
        self.num_ws = len(layers) + 2
        store_as(self, {"to_rgb": "colour"})
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
        windows = self._windows(window or Window.whole((self.img_resolution, self.img_resolution)))
        x = self.input(w[:, 0], windows[0])
        for index, layer in enumerate(self._layers(), 1):
            x = layer(x, w[:, index], windows[index])
        images: Tensor = self.to_rgb(x, w[:, -1])
        return images

    def rates(self) -> list[int]:
        """Return the sampling rate of each layer's output, in points along the side of the image."""
        rates, rate = [], self.input.sampling_rate
        for layer in self._layers():
            rate *= layer.resampling.up / layer.resampling.down
            rates.append(round(rate))
        return rates

    def _windows(self, window: Window) -> list[Window]:
        """Plan the windows of the input's map and of each layer's, from the last one backwards."""
        windows = [window]
        for layer in self._layers()[::-1]:
            windows.insert(0, layer.input_window(windows[0]))
        return windows

    def _layers(self) -> list[SynthesisLayer]:
        return [layer for layer in self.layers if isinstance(layer, SynthesisLayer)]


def untrained(
    w_dim: int,
    channels: Sequence[int],
    sizes: Sequence[int],
    seed: int,
    *,
    kernel: int = 3,
    radial: bool = False,
    classes: int = 0,
    img_channels: int = 3,
    z_dim: int | None = None,
    w_avg_per_class: bool = False,
) -> StyleGAN3Generator:
    """Build a network of random weights.

    Args:
        w_dim: numbers of a row of w.
        channels: those of the maps, from the input's on.
        sizes: heights and widths of the maps; where a map is larger than the one before, the sampling rate doubles.
        seed: the same seed gives the same weights.
        kernel: taps of the convolutions along each axis.
        radial: whether filters that lower the rate are radial, as in configuration R.
        classes: how many classes there are; 0 for an unconditional network.
        img_channels: channels of the image.
        z_dim: numbers of z, and of an embedded label; `w_dim` by default.
        w_avg_per_class: whether each class has a mean code.

    Returns:
        The network.
    """
    layers = []
    for (inputs, outputs), (in_size, out_size) in zip(pairwise(channels), pairwise(sizes), strict=True):
        up = 4 if out_size > in_size else 2
        resampling = Resampling(in_size + kernel - 1, out_size, up, 2, 3 * up, 6)
        shape = (outputs, inputs, kernel, kernel)
        layers.append(SynthesisLayer(w_dim, shape, resampling, radial=radial, conv_clamp=256.0))
    start = SynthesisInput(w_dim, channels[0], sizes[0], 4, 1)
    to_rgb = ToRGB(w_dim, channels[-1], img_channels, 64.0)
    z_dim = z_dim or w_dim
    widths = [z_dim + (z_dim if classes else 0), w_dim, w_dim]
    mapping = MappingNetwork(z_dim, widths, classes, w_avg_per_class=w_avg_per_class)
    network = StyleGAN3Generator(mapping, start, layers, to_rgb)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            std = tensor[0].numel() ** -0.5 if tensor.ndim in {2, 4} else 0.5
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * std + key.endswith("affine.bias"))
        for layer in layers:
            layer.magnitude_ema.fill_(1)
            layer.up_filter.copy_(_low_pass(layer.resampling.up_taps) * layer.resampling.up)
            taps = _low_pass(layer.resampling.down_taps)
            layer.down_filter.copy_(torch.outer(taps, taps) if radial else taps)
    return network


def _low_pass(taps: int) -> Tensor:
    """Make a Hann window of sum 1."""
    window = torch.hann_window(taps + 2, periodic=False)[1:-1]
    return window / window.sum()
