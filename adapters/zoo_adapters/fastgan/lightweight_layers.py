"""The layers of lightweight-gan that FastGAN does not have: attention, and excitation by contexts or frequencies.

That is linear attention (Katharopoulos et al., ICML 2020), global contexts (Cao et al., 2020, arXiv 2012.13375) and
frequencies of the cosine transform (Qin et al., ICCV 2021, arXiv 2012.11879).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, leaky_relu, pad

from zoo.nn import Convolution, Patch

_HEADS = 8
_HEAD_CHANNELS = 64
_INNER = _HEADS * _HEAD_CHANNELS
_NEIGHBOURS = 3
_LEAK = 0.1
_EPSILON = 1e-5

_POINTWISE = Convolution(kernel=1)
_DEPTHWISE = Convolution(kernel=3, padding=1)


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


def _heads(x: Tensor) -> Tensor:
    """Divide channels (n, 512, height, width) among heads: (n, 8, 64, pixels)."""
    heads: Tensor = x.unflatten(1, (_HEADS, _HEAD_CHANNELS))
    return heads.flatten(3)
