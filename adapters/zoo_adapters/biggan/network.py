"""The BigGAN generator (Brock, Donahue & Simonyan, ICLR 2019) with hierarchical codes, as ajbrock's port builds it.

Weights are those that act: spectral norms are divided out, and a 3x3 convolution behind nearest-neighbour upsampling is
one transposed convolution, which has 4 taps a pixel instead of 9 (see `checkpoint`).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d

from zoo.window import Convolution, Nearest, Patch, Transposed, Window

_CONVOLVE, _DOUBLE, _REPEAT = Convolution(kernel=3, padding=1), Transposed(kernel=4, padding=1, stride=2), Nearest()


class Norm(nn.Module):
    """Batch normalisation with stored statistics, whose gain (around 1) and bias are linear in a condition."""

    def __init__(self, condition: int, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(channels, condition))
        self.bias = nn.Parameter(torch.zeros(channels, condition))
        self.mean = nn.Buffer(torch.zeros(channels))
        self.variance = nn.Buffer(torch.ones(channels))

    def forward(self, x: Patch, condition: Tensor, epsilon: float) -> Patch:
        """Normalise x, scale and shift it, and cut off what is negative."""
        scale = (1 + condition @ self.gain.T) * torch.rsqrt(self.variance + epsilon)
        return _scaled(x, scale, condition @ self.bias.T - self.mean * scale)


class Block(nn.Module):
    """A residual block that doubles its map: norm, transposed convolution, norm, convolution; the shortcut is 1x1."""

    def __init__(self, condition: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = Norm(condition, inputs), Norm(condition, outputs)
        self.conv1 = nn.ConvTranspose2d(inputs, outputs, kernel_size=4, stride=2, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, kernel_size=3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, kernel_size=1)

    def forward(self, x: Patch, condition: Tensor, epsilon: float, within: Window, wanted: Window) -> Patch:
        """Compute a window of the output; before it is repeated, the shortcut is a quarter of the work."""
        y = _DOUBLE(self.norm1(x, condition, epsilon), within, self.conv1.weight, self.conv1.bias)
        y = _CONVOLVE(self.norm2(y, condition, epsilon), wanted, self.conv2.weight, self.conv2.bias)
        short = _REPEAT(Patch(self.shortcut(x.values), x.window), wanted)
        return Patch(y.values + short.values, wanted)


class Attention(nn.Module):
    """Self-attention (Zhang et al., ICML 2019): every pixel reads from a map of half the size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(channels // 8, channels, 1, 1))
        self.key = nn.Parameter(torch.zeros(channels // 8, channels, 1, 1))
        self.value = nn.Parameter(torch.zeros(channels // 2, channels, 1, 1))
        self.output = nn.Parameter(torch.zeros(channels, channels // 2, 1, 1))
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Add to x what is read, times `strength`."""
        query = conv2d(x, self.query).flatten(2)
        key, value = (max_pool2d(conv2d(x, weight), 2).flatten(2) for weight in (self.key, self.value))
        share = torch.softmax(query.transpose(1, 2) @ key, dim=2)
        read = (value @ share.transpose(1, 2)).view(len(x), -1, *x.shape[2:])
        return x + self.strength * conv2d(read, self.output)


class Generator(nn.Module):
    """From a code and a class to images (n, 3, side, side) in [-1, 1].

    `channels` are those of the maps, from `bottom` x `bottom` pixels on. The code's first `first` numbers make the
    first map; each block reads the class's embedding and the next `chunk` numbers. Attention, if any, follows block
    `attends`.
    """

    def __init__(
        self,
        channels: Sequence[int],
        bottom: int,
        *,
        first: int,
        chunk: int,
        classes: int,
        embedding: int,
        attends: int | None,
        epsilon: float = 1e-5,
    ) -> None:
        super().__init__()
        self.bottom, self.first, self.chunk, self.classes = bottom, first, chunk, classes
        self.attends, self.epsilon = attends, epsilon
        self.embed = nn.Parameter(torch.zeros(classes, embedding))
        self.start = nn.Linear(first, channels[0] * bottom**2)
        self.blocks = nn.ModuleList(Block(embedding + chunk, wide, narrow) for wide, narrow in pairwise(channels))
        self.attention = None if attends is None else Attention(channels[attends + 1])
        self.scale = nn.Parameter(torch.ones(channels[-1]))
        self.shift = nn.Parameter(torch.zeros(channels[-1]))
        self.colour = nn.Conv2d(channels[-1], 3, kernel_size=3, padding=1)
        self.side = bottom << len(self.blocks)
        self.dim = first + chunk * len(self.blocks)

    def forward(self, z: Tensor, labels: Tensor, window: Window | None = None) -> Tensor:
        """Render z (n, dim) and labels (n,), or a window of the picture only."""
        window = window or Window.whole((self.side, self.side))
        first, *chunks = torch.split(z, [self.first, *[self.chunk] * len(self.blocks)], dim=1)
        embedded = self.embed[labels]
        x = Patch.whole(self.start(first).view(len(z), -1, self.bottom, self.bottom))
        plan = self._windows(window)
        for index, (block, chunk, (within, wanted)) in enumerate(zip(self.blocks, chunks, plan, strict=True)):
            x = block(x, torch.cat([embedded, chunk], dim=1), self.epsilon, within, wanted)
            if self.attention is not None and index == self.attends:
                x = Patch(self.attention(x.values), x.window)
        x = _scaled(x, self.scale, self.shift)
        return torch.tanh(_CONVOLVE(x, window, self.colour.weight, self.colour.bias).values)

    def _windows(self, window: Window) -> list[tuple[Window, Window]]:
        """Plan each block's windows, of the map within and of its output, from the last one backwards."""
        side, wanted = self.side, _CONVOLVE.reads(window, (self.side, self.side))
        plan: list[tuple[Window, Window]] = []
        for index in reversed(range(len(self.blocks))):
            if index == self.attends:
                wanted = Window.whole((side, side))  # attention reads every pixel
            within = _CONVOLVE.reads(wanted, (side, side))
            plan.insert(0, (within, wanted))
            side //= 2
            wanted = _DOUBLE.reads(within, (side, side)) | _REPEAT.reads(wanted, (side, side))
        return plan


def untrained(seed: int, channels: Sequence[int], **sizes: Any) -> Generator:
    """Build a network of 4x4 pixels at first, of random weights and statistics; the same for the same seed."""
    network = Generator(channels, 4, **sizes)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            drawn = torch.randn(tensor.shape, generator=generator)
            spread = tensor[0].numel() ** -0.5 if tensor.ndim in {2, 4} else 0.3
            tensor.copy_(drawn.abs() + 0.5 if key.endswith(("variance", "strength", "scale")) else drawn * spread)
    return network


def _scaled(x: Patch, scale: Tensor, shift: Tensor) -> Patch:
    """Scale and shift channels, and cut off what is negative."""
    return Patch(torch.relu(torch.addcmul(shift[..., None, None], x.values, scale[..., None, None])), x.window)
