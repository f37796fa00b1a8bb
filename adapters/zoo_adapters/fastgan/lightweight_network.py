"""The generator of lightweight-gan: FastGAN with learned upsampling, other excitation, and attention.

After Liu et al. (ICLR 2021), with linear attention (Katharopoulos et al., ICML 2020), global contexts (Cao et al.,
2020, arXiv 2012.13375) or frequencies of the cosine transform (Qin et al., ICCV 2021, arXiv 2012.11879) for excitation.

The normalisation after each convolution is folded into it, and the range [0, 1] of the original's images is scaled to
[-1, 1] in the last convolution (see `lightweight_checkpoint`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, leaky_relu, pad

from zoo.nn import BilinearUpsample, Convolution, NearestUpsample, Patch, Window
from zoo_adapters.fastgan.network import FIRST_SIDE, GatedConvolution, gate

_HEADS = 8
_HEAD_CHANNELS = 64
_INNER = _HEADS * _HEAD_CHANNELS
_NEIGHBOURS = 3
_LEAK = 0.1
_EPSILON = 1e-5
_SMALLEST_SQUARE = 1e-24  # the squared length below which the first map is not normalised

_POINTWISE = Convolution(kernel=1)
_CONV_3X3 = Convolution(kernel=3, padding=1)
_DEPTHWISE = Convolution(kernel=3, padding=1)

# A level's map, counted from that of 8x8 pixels, excites the one three levels later.
EXCITES_AFTER = 3


@dataclass(frozen=True)
class LightweightSpec:
    """The structure of one resolution.

    Attributes:
        in_channels: channels of the map before.
        between: channels after upsampling.
        out_channels: channels of its own map.
        kernel: taps of its convolution along each axis.
        upsampling: "learned", by which four channels become four pixels, "nearest" or "bilinear".
        blurred: whether a filter follows upsampling.
        noisy: whether noise is added after the convolution.
        attention: "none"; "linear"; or "both", linear and of 3x3 neighbours.
        excites: channels of the map that is excited by this one; None if none is.
        reduced: channels between the two layers of that excitation.
        frequencies: whether the map is summed up by frequencies; else by attention to some of its pixels.
    """

    in_channels: int
    between: int
    out_channels: int
    kernel: int = 4
    upsampling: str = "learned"
    blurred: bool = False
    noisy: bool = True
    attention: str = "none"
    excites: int | None = None
    reduced: int = 3
    frequencies: bool = False


class Pointwise(nn.Module):
    """A linear map of the channels of each pixel.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        bias: whether a constant is added.
    """

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Map the channels.

        Args:
            x: (n, in_channels, rows, columns).

        Returns:
            (n, out_channels, rows, columns).
        """
        patch = Patch.whole(x)
        return _POINTWISE(patch, patch.window, self.weight, self.bias).values


class Attention(nn.Module):
    """Attention in eight heads of 64 channels, after a normalisation of each pixel; its output is added to the map.

    Args:
        channels: channels of the map.
        local: whether each pixel attends to its 3x3 neighbours beside the linear attention.
    """

    def __init__(self, channels: int, *, local: bool) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))
        self.query = Pointwise(channels, _INNER, bias=False)
        self.depthwise = nn.Parameter(torch.zeros(channels, 1, 3, 3))
        self.key_value = Pointwise(channels, 2 * _INNER, bias=False)
        self.local_query = Pointwise(channels, _INNER, bias=False) if local else None
        self.local_key_value = Pointwise(channels, 2 * _INNER, bias=False) if local else None
        self.output = Pointwise(_INNER * (1 + local), channels)

    def forward(self, x: Tensor) -> Tensor:
        """Apply attention to whole maps.

        Args:
            x: (n, channels, height, width).

        Returns:
            Maps of the same shape.
        """
        centred = x - x.mean(dim=1, keepdim=True)
        inverse_std = torch.rsqrt(centred.square().mean(dim=1, keepdim=True) + _EPSILON)
        y = torch.addcmul(self.shift[:, None, None], centred * inverse_std, self.scale[:, None, None])
        parts = [gelu(self._linear(y))]
        if self.local_query is not None and self.local_key_value is not None:
            parts.append(self._local(y, self.local_query(y), self.local_key_value(y)))
        added: Tensor = self.output(torch.cat(parts, dim=1))
        return x + added

    def _linear(self, y: Tensor) -> Tensor:
        """Let each pixel read the sum of all values, weighted by their keys: softmax(q) (softmax(k)ᵀ v)."""
        patch = Patch.whole(y)
        filtered = _DEPTHWISE(patch, patch.window, self.depthwise, groups=y.shape[1]).values
        key, value = self.key_value(filtered).chunk(2, dim=1)
        query = torch.softmax(_heads(self.query(y)), dim=2) * _HEAD_CHANNELS**-0.5
        context = torch.softmax(_heads(key), dim=3) @ _heads(value).transpose(2, 3)
        read: Tensor = context.transpose(2, 3) @ query
        return read.reshape(len(y), _INNER, *y.shape[2:])

    def _local(self, y: Tensor, query: Tensor, key_value: Tensor) -> Tensor:
        """Let each pixel attend to its neighbours and itself; those beyond the border are zeros, and count."""
        height, width = y.shape[2:]
        padded = pad(key_value, (1, 1, 1, 1))
        shifted = [
            padded[..., row : row + height, column : column + width]
            for row in range(_NEIGHBOURS)
            for column in range(_NEIGHBOURS)
        ]
        # (n, heads, 64, neighbours, pixels)
        key, value = torch.stack(shifted, dim=2).unflatten(1, (2, _HEADS, _HEAD_CHANNELS)).flatten(5).unbind(dim=1)
        similarity = (_heads(query)[:, :, :, None] * key).sum(dim=2, keepdim=True) * _HEAD_CHANNELS**-0.5
        attended: Tensor = (torch.softmax(similarity, dim=3) * value).sum(dim=3)
        return attended.reshape(len(y), _INNER, height, width)


class Excitation(nn.Module):
    """Factors for the channels of a later map, computed from a whole map.

    The map is summed up in one number for each channel: its mean, weighted by a softmax over pixels, or its product
    with a fixed map for each channel, such as a frequency of the cosine transform.

    Args:
        spec: the structure of the level whose map it reads.
        channels: channels of the later map.
        side: height and width of the map that is read.
    """

    def __init__(self, spec: LightweightSpec, channels: int, side: int) -> None:
        super().__init__()
        self.key = None if spec.frequencies else Pointwise(spec.out_channels, 1)
        self.frequencies = nn.Buffer(torch.zeros(spec.out_channels, side, side)) if spec.frequencies else None
        self.squeeze = nn.Linear(spec.out_channels, spec.reduced)
        self.excite = nn.Linear(spec.reduced, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the factors.

        Args:
            x: a whole map (n, spec.out_channels, side, side).

        Returns:
            (n, channels, 1, 1), from 0 to 1.
        """
        if self.key is None:
            weights: Tensor = self.get_buffer("frequencies")
        else:
            weights = torch.softmax(self.key(x).flatten(2), dim=2).view(len(x), 1, *x.shape[2:])
        summed = (x * weights).sum(dim=(2, 3))
        return torch.sigmoid(self.excite(leaky_relu(self.squeeze(summed), _LEAK)))[..., None, None]


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


def _heads(x: Tensor) -> Tensor:
    """Divide channels (n, 512, height, width) among heads: (n, 8, 64, pixels)."""
    heads: Tensor = x.unflatten(1, (_HEADS, _HEAD_CHANNELS))
    return heads.flatten(3)


def _mirrored(x: Patch, axis: int, side: int) -> Patch:
    """Add the pixel beyond each border of the map that the patch touches, which is the last one but one."""
    first, last = (x.window.rows, x.window.columns)[axis - 2]
    before, after = int(first == 0), int(last == side)
    size = x.values.shape[axis]
    parts = [x.values.narrow(axis, 1, before), x.values, x.values.narrow(axis, size - 1 - after, after)]
    values = torch.cat(parts, dim=axis)
    span = (first - before, last + after)
    return Patch(values, replace(x.window, **{("rows", "columns")[axis - 2]: span}))
