"""The StyleGAN2 generator (Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020).

All constants that a file format leaves to run time are folded into the weights (see `checkpoint`): equalised learning
rates, the gain √2 of the activations, the 1 added to styles.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from zoo.nn import Convolution, MappingNetwork, Patch, StyleNetwork, TransposedConvolution, Window

_SLOPE = 0.2
_EPSILON = 1e-8
_CONVOLVE, _DOUBLE = Convolution(kernel=3, padding=1), TransposedConvolution(kernel=3, stride=2)
_SMOOTH, _ENLARGE = Convolution(kernel=4, padding=1), TransposedConvolution(kernel=4, padding=1, stride=2)


class SynthesisLayer(nn.Module):
    """A 3x3 convolution whose input channels a row of w scales, and whose outputs are brought back to unit variance.

    It scales activations, not weights, so that all codes share one convolution, and a derivative needs one a tangent.
    A layer that `doubles` is a transposed convolution (weight: inputs first) and a filter that smoothes its output.
    """

    def __init__(
        self, dim: int, inputs: int, outputs: int, side: int, *, doubles: bool, bound: float | None = None
    ) -> None:
        super().__init__()
        self.doubles, self.bound = doubles, bound
        self.affine = nn.Linear(dim, inputs)
        self.weight = nn.Parameter(torch.zeros(*((inputs, outputs) if doubles else (outputs, inputs)), 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise = nn.Buffer(torch.zeros(side, side))
        self.strength = nn.Buffer(torch.zeros(()))
        self.squares = nn.Buffer(torch.zeros(inputs, outputs), persistent=False)
        self.kernel = nn.Buffer(_filter(outputs if doubles else 0), persistent=False)

    def fold(self) -> None:
        """Prepare what depends on the weights alone."""
        squares = self.weight.detach().square().sum(dim=(2, 3))
        self.squares.copy_(squares if self.doubles else squares.T)

    def input_window(self, wanted: Window) -> Window:
        """Give the window of the input that the window `wanted` of the output needs."""
        side = len(self.noise)
        if not self.doubles:
            return _CONVOLVE.input_window(wanted, (side, side))
        return _DOUBLE.input_window(_SMOOTH.input_window(wanted, (side + 1, side + 1)), (side // 2, side // 2))

    def forward(self, x: Patch, w: Tensor, wanted: Window) -> Patch:
        """Compute a window of the output from x and w (n, dim)."""
        style = self.affine(w)
        y = self._convolve(Patch(x.values * style[:, :, None, None], x.window), wanted)
        # The square root of 2 is the activation's gain, which bias and strength hold already.
        scale = torch.rsqrt((style.square() @ self.squares + _EPSILON) / 2)
        offset = self.bias[:, None, None] + self.strength * Patch.whole(self.noise).cut(wanted).values
        made = leaky_relu(torch.addcmul(offset, y.values, scale[:, :, None, None]), _SLOPE)
        return Patch(_bounded(made, self.bound), wanted)

    def _convolve(self, x: Patch, wanted: Window) -> Patch:
        if not self.doubles:
            return _CONVOLVE(x, wanted, self.weight)
        side = len(self.noise) + 1
        doubled = _DOUBLE(x, _SMOOTH.input_window(wanted, (side, side)), self.weight)
        return _SMOOTH(doubled, wanted, self.kernel, groups=len(self.kernel))


class ToRGB(nn.Module):
    """A 1x1 convolution to three channels, whose input channels a row of w scales; its outputs are left as they are."""

    def __init__(self, dim: int, inputs: int, bound: float | None = None) -> None:
        super().__init__()
        self.bound = bound
        self.affine = nn.Linear(dim, inputs)
        self.weight = nn.Parameter(torch.zeros(3, inputs))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Patch, w: Tensor, wanted: Window) -> Tensor:
        """Compute a window of the picture, (n, 3, rows, columns), from x and w (n, dim)."""
        values = x.cut(wanted).values
        weight = self.weight * self.affine(w)[:, None]
        colours = torch.baddbmm(self.bias[:, None], weight, values.flatten(2))
        return _bounded(colours.view(-1, 3, *values.shape[2:]), self.bound)


class StyleGAN2Generator(StyleNetwork):
    """From w (n, rows, dim) to images (n, 3, side, side): a constant of 4x4 pixels, and two layers for each doubling.

    `channels` are those of the maps, from 4x4 on. Layer i reads row i; the colours of a resolution read the row behind
    its layers, which the next resolution's first layer reads too. Where there is a `bound`, all that layers and colours
    give is cut off at ± it, as NVIDIA's networks do that compute in half precision.
    """

    def __init__(self, mapping: MappingNetwork, dim: int, channels: Sequence[int], bound: float | None = None) -> None:
        super().__init__()
        self.mapping = mapping
        self.constant = nn.Parameter(torch.zeros(channels[0], 4, 4))
        layers, side = [SynthesisLayer(dim, channels[0], channels[0], 4, doubles=False, bound=bound)], 4
        for wide, narrow in pairwise(channels):
            side *= 2
            layers.append(SynthesisLayer(dim, wide, narrow, side, doubles=True, bound=bound))
            layers.append(SynthesisLayer(dim, narrow, narrow, side, doubles=False, bound=bound))
        self.layers = nn.ModuleList(layers)
        self.colours = nn.ModuleList(ToRGB(dim, width, bound) for width in channels)
        self.kernel = nn.Buffer(_filter(3), persistent=False)
        self.side, self.rows = side, 2 * len(channels)
        self.register_load_state_dict_post_hook(lambda module, _: module.fold())  # type: ignore[no-untyped-call]

    def fold(self) -> None:
        """Prepare what depends on the weights alone; loading a state does, changes in place do not."""
        for layer in self._layers():
            layer.fold()

    def forward(self, w: Tensor, window: Window | None = None) -> Tensor:
        """Render w (n, rows, dim), or a window of the picture only."""
        maps, pictures = self._windows(window or Window.whole((self.side, self.side)))
        x = Patch.whole(self.constant.expand(len(w), *self.constant.shape))
        picture: Patch | None = None
        for row, (layer, wanted) in enumerate(zip(self._layers(), maps, strict=True)):
            x = layer(x, w[:, row], wanted)
            if row % 2 == 0:
                picture = self._add_colours(picture, x, w[:, row + 1], row // 2, pictures[row // 2])
        assert picture is not None
        return picture.values

    def _add_colours(self, below: Patch | None, x: Patch, w: Tensor, level: int, wanted: Window) -> Patch:
        """Add a resolution's colours to the enlarged picture of the resolution below."""
        colours = self.colours[level](x, w, wanted)
        if below is None:
            return Patch(colours, wanted)
        return Patch(_ENLARGE(below, wanted, self.kernel, groups=3).values + colours, wanted)

    def _windows(self, window: Window) -> tuple[list[Window], list[Window]]:
        """Plan the windows of all layers' maps and of all resolutions' pictures, from the last ones backwards."""
        layers = self._layers()
        maps, pictures = [window], [window]
        for side in (len(layer.noise) // 2 for layer in layers[:0:-2]):
            pictures.insert(0, _ENLARGE.input_window(pictures[0], (side, side)))
            maps.insert(0, layers[len(layers) - len(maps)].input_window(maps[0]))
            maps.insert(0, layers[len(layers) - len(maps)].input_window(maps[0]) | pictures[0])
        return maps, pictures

    def _layers(self) -> list[SynthesisLayer]:
        return [layer for layer in self.layers if isinstance(layer, SynthesisLayer)]


def untrained(
    dim: int,
    channels: Sequence[int],
    seed: int,
    *,
    dim_z: int | None = None,
    depth: int = 2,
    classes: int = 0,
    together: bool = False,
    bound: float | None = None,
) -> StyleGAN2Generator:
    """Build a network of random weights and noise, scaled as when training begins; the same for the same seed."""
    dim_z = dim_z or dim
    widths = [dim_z + (dim if classes else 0), *[dim] * depth]
    network = StyleGAN2Generator(MappingNetwork(dim_z, widths, classes, together=together), dim, channels, bound)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            spread = tensor[0].numel() ** -0.5 if tensor.ndim in {2, 4} and not key.endswith("noise") else 0.5
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * spread + key.endswith("affine.bias"))
    return network


def _bounded(x: Tensor, bound: float | None) -> Tensor:
    return x if bound is None else x.clamp(-bound, bound)


def _filter(channels: int) -> Tensor:
    """Make the filter of 1, 3, 3, 1 along both axes, by channel, for maps that were doubled: (channels, 1, 4, 4)."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
    return torch.outer(taps, taps).repeat(channels, 1, 1, 1)
