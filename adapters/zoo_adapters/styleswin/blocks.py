"""The blocks of StyleSwin: attention within windows, and two linear layers (section 3.2 of the paper)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from zoo.nn import Window

_EPSILON = 1e-5
_MASKED = -100.0


@dataclass(frozen=True)
class LevelSpec:
    """The structure of one resolution, of two blocks.

    Attributes:
        channels: channels of the maps, a multiple of `heads`.
        heads: of attention, half of them in regular windows and half in shifted ones.
        window: height and width of a window, in pixels; one that is as large as the map is not shifted.
        hidden: channels between the two linear layers of a block, as a multiple of `channels`.
        biased: whether a constant is added to queries, keys and values.
    """

    channels: int
    heads: int = 4
    window: int = 8
    hidden: int = 4
    biased: bool = True


class WindowAttention(nn.Module):
    """Attention of half of the channels, within windows of a map, by a bias for each relative position.

    Args:
        heads: how many there are.
        window: height and width of a window.
        side: height and width of the map, a multiple of `window`.
        shift: by how many pixels the windows are shifted, downwards and to the right; 0 for regular windows.
    """

    def __init__(self, heads: int, window: int, side: int, shift: int) -> None:
        super().__init__()
        self.window = window
        self.shift = shift
        self.position_bias = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.relative_positions = nn.Buffer(_relative_positions(window), persistent=False)
        self.mask = nn.Buffer(_mask(side, window, shift) if shift else torch.zeros(0), persistent=False)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Let every pixel attend to those of its window.

        Args:
            query: (n, side, side, channels); so are key and value.
            key: see `query`.
            value: see `query`.

        Returns:
            (n, side, side, channels).
        """
        side = query.shape[1]
        queries, keys, values = (self._windows(x) for x in (query, key, value))
        bias = self.position_bias[self.relative_positions].permute(2, 0, 1)
        similarity = (queries * queries.shape[-1] ** -0.5) @ keys.transpose(-2, -1) + bias
        if self.shift:
            similarity = similarity + self.mask[:, None]
        attended = torch.softmax(similarity, dim=-1) @ values
        # (n, rows of windows, columns of windows, heads, rows, columns, channels of a head)
        count = side // self.window
        unfolded = attended.view(len(query), count, count, -1, self.window, self.window, values.shape[-1])
        joined = unfolded.permute(0, 1, 4, 2, 5, 3, 6).reshape(query.shape)
        return torch.roll(joined, (self.shift, self.shift), dims=(1, 2)) if self.shift else joined

    def _windows(self, x: Tensor) -> Tensor:
        """Divide a map into windows and heads: (n, windows, heads, pixels of a window, channels of a head)."""
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), dims=(1, 2))
        n, side, _, channels = x.shape
        count, heads = side // self.window, self.position_bias.shape[1]
        parts = x.view(n, count, self.window, count, self.window, heads, channels // heads)
        return parts.permute(0, 1, 3, 5, 2, 4, 6).reshape(n, count**2, heads, self.window**2, -1)


class Block(nn.Module):
    """Attention in regular and in shifted windows side by side, and two linear layers (section 3.2, figure 2).

    Both follow an adaptive instance normalisation, whose mean and spread are taken over the whole map: y_s (x − μ) / σ
    + y_b, with the styles (y_s, y_b) = affine(w).

    Args:
        w_dim: numbers of a row of w.
        spec: the structure of the resolution.
        side: height and width of the map.
    """

    def __init__(self, w_dim: int, spec: LevelSpec, side: int) -> None:
        super().__init__()
        channels, hidden = spec.channels, spec.hidden * spec.channels
        self.affine1 = nn.Linear(w_dim, 2 * channels)
        self.qkv = nn.Linear(channels, 3 * channels, bias=spec.biased)
        shifts = (0, spec.window // 2 if spec.window < side else 0)
        self.attentions = nn.ModuleList(WindowAttention(spec.heads // 2, spec.window, side, shift) for shift in shifts)
        self.proj = nn.Linear(channels, channels)
        self.affine2 = nn.Linear(w_dim, 2 * channels)
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor, w: Tensor, window: Window | None = None) -> Tensor:
        """Compute the block's output.

        Args:
            x: a whole map (n, side, side, channels).
            w: the block's row of w, (n, w_dim).
            window: the window of the output to compute; None for all of it. Only the linear layers compute less.

        Returns:
            (n, rows, columns, channels).
        """
        parts = self.qkv(_adaptive_norm(x, self.affine1(w))).chunk(3, dim=-1)
        halves = zip(*(part.chunk(2, dim=-1) for part in parts), strict=True)
        attended = [attention(*half) for attention, half in zip(self.attentions, halves, strict=True)]
        x = x + self.proj(torch.cat(attended, dim=-1))
        y = _adaptive_norm(x, self.affine2(w))
        if window is not None:
            (top, bottom), (left, right) = window.rows, window.columns
            x, y = x[:, top:bottom, left:right], y[:, top:bottom, left:right]
        added: Tensor = self.fc2(gelu(self.fc1(y)))
        return x + added


def _adaptive_norm(x: Tensor, styles: Tensor) -> Tensor:
    """Normalise each channel of a whole map (n, side, side, channels) by its own mean and spread, and apply styles."""
    centred = x - x.mean(dim=(1, 2), keepdim=True)
    inverse_std = torch.rsqrt(centred.square().mean(dim=(1, 2), keepdim=True) + _EPSILON)
    scale, shift = styles[:, None, None].chunk(2, dim=-1)
    return torch.addcmul(shift, centred, scale * inverse_std)


def _relative_positions(window: int) -> Tensor:
    """Number the offsets between the pixels of a window, (window², window²)."""
    pixels = torch.cartesian_prod(torch.arange(window), torch.arange(window))
    offsets = pixels[:, None] - pixels[None] + window - 1
    return offsets[..., 0] * (2 * window - 1) + offsets[..., 1]


def _mask(side: int, window: int, shift: int) -> Tensor:
    """Keep pixels of a shifted window apart that are neighbours only because the map is rolled.

    Args:
        side: height and width of the map.
        window: those of a window.
        shift: by how much windows are shifted.

    Returns:
        (windows, window², window²): 0 for pixels that may attend to each other, and −100 for others.
    """
    # After rolling, the last `shift` rows are those from the top of the map.
    wrapped = torch.arange(side) >= side - shift
    region = 2 * wrapped[:, None] + wrapped[None]
    count = side // window
    windows = region.view(count, window, count, window).transpose(1, 2).reshape(count**2, window**2)
    return _MASKED * (windows[:, :, None] != windows[:, None]).float()
