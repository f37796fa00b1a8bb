"""The StyleGAN2 generator (Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020).

All constants that a file format leaves to run time are folded into the weights (see `checkpoint`): equalised learning
rates, the gain √2 of the activations, and the 1 that is added to styles.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from zoo.nn import MappingNetwork, ModulatedNetwork, Patch, TransposedConvolution, Window, store_as
from zoo_adapters.stylegan2.synthesis_layer import SynthesisLayer, ToRGB, make_resample_filter

_UPSAMPLE_IMAGE = TransposedConvolution(kernel=4, padding=1, stride=2)


class StyleGAN2Generator(ModulatedNetwork):
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
        self.resample_filter = nn.Buffer(make_resample_filter(img_channels), persistent=False)
        self.img_channels = img_channels
        self.num_ws = 2 * len(channels)
        store_as(self, {"const": "constant", "to_rgb": "colours"})
        self.register_load_state_dict_post_hook(lambda module, _: module.fold())  # type: ignore[no-untyped-call]

    def fold(self) -> None:
        """Recompute what depends on the weights alone; called whenever a state is loaded."""
        for layer in self._layers():
            layer.fold()

    def affine_maps(self) -> list[tuple[int, nn.Module]]:
        """List the affine maps in the order of the forward pass; see `ModulatedNetwork.affine_maps`.

        Returns:
            For each map, the row of w that it reads and the linear module. That of a resolution's ToRGB layer comes
            after those of its convolutions.
        """
        maps: list[tuple[int, nn.Module]] = []
        for index, layer in enumerate(self._layers()):
            maps.append((index, layer.affine))
            if index % 2 == 0:
                maps.append((index + 1, self.to_rgb[index // 2].get_submodule("affine")))
        return maps

    def synthesize(self, styles: Sequence[Tensor], window: Window | None = None) -> Tensor:
        """Render images of styles.

        Args:
            styles: for each of `affine_maps`, (n, its outputs).
            window: the window of the image to compute; None for all of it.

        Returns:
            (n, img_channels, height, width) of the image or of the window.
        """
        layer_windows, image_windows = self._windows(window or Window.whole(self.sizes()[-1]))
        x = Patch.whole(self.const.expand(len(styles[0]), *self.const.shape))
        image: Patch | None = None
        given = iter(styles)
        for index, (layer, wanted) in enumerate(zip(self._layers(), layer_windows, strict=True)):
            x = layer(x, next(given), wanted)
            if index % 2 == 0:
                image = self._add_rgb(image, x, next(given), index // 2, image_windows[index // 2])
        assert image is not None
        return image.values

    def _add_rgb(self, image: Patch | None, x: Patch, styles: Tensor, level: int, window: Window) -> Patch:
        """Add a resolution's ToRGB output to the upsampled image of the resolution below."""
        rgb = self.to_rgb[level](x, styles, window)
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
