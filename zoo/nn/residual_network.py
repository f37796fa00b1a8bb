"""Networks of residual blocks whose normalisations read a condition: what the families of the BigGAN idea share.

Weights are those that act: spectral norms are divided out, and a 3x3 convolution behind nearest-neighbour upsampling is
one transposed convolution, which has 4 taps a pixel instead of 9 (`zoo.checkpoints.fold_upsample_into_conv`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d

from zoo.nn.window import Convolution, NearestUpsample, Patch, TransposedConvolution, Window

_CONVOLVE, _DOUBLE, _REPEAT = (
    Convolution(kernel=3, padding=1),
    TransposedConvolution(kernel=4, padding=1, stride=2),
    NearestUpsample(),
)


class ConditionalNorm(nn.Module):
    """Batch normalisation with stored statistics, and ReLU; gain and bias are affine in a condition, if there is one.

    The gain is `scale` + `gain` · condition, the bias `shift` + `bias` · condition.
    """

    def __init__(self, condition: int, channels: int, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.scale, self.shift = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.gain = nn.Parameter(torch.zeros(channels, condition)) if condition else None
        self.bias = nn.Parameter(torch.zeros(channels, condition)) if condition else None
        self.mean, self.variance = nn.Buffer(torch.zeros(channels)), nn.Buffer(torch.ones(channels))

    def statistics(self, truncation: float | None) -> tuple[Tensor, Tensor]:
        """Return mean and variance (channels,) for codes of a truncation, on which those of some families depend."""
        return self.mean, self.variance

    def forward(self, x: Patch, condition: Tensor | None, truncation: float | None) -> Patch:
        """Normalise x, scale and shift it, and cut off what is negative."""
        mean, variance = self.statistics(truncation)
        scale = _affine(self.scale, self.gain, condition) * torch.rsqrt(variance + self.epsilon)
        shift = _affine(self.shift, self.bias, condition) - mean * scale
        return Patch(torch.relu(torch.addcmul(shift[..., None, None], x.values, scale[..., None, None])), x.window)


class Pointwise(nn.Module):
    """A normalisation and a 1x1 convolution."""

    def __init__(self, inputs: int, outputs: int, norm: Callable[[int], ConditionalNorm]) -> None:
        super().__init__()
        self.norm, self.conv = norm(inputs), nn.Conv2d(inputs, outputs, kernel_size=1)

    def forward(self, x: Patch, condition: Tensor | None, truncation: float | None) -> Patch:
        """Compute all of x's window."""
        y = self.norm(x, condition, truncation)
        return Patch(self.conv(y.values), y.window)


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


@dataclass(frozen=True)
class BlockSpec:
    """What one block is: its channels, and what belongs to it."""

    inputs: int
    outputs: int
    bottleneck: int | None = None
    """The channels between two 1x1 convolutions; None for a block that has none."""
    upsample: bool = True
    shortcut: bool = True
    """Whether the shortcut is a 1x1 convolution, or else the first `outputs` channels of the input."""
    attention: bool = False


class ResidualBlock(nn.Module):
    """A residual block: two 3x3 convolutions, the first of which may double the map, each behind a normalisation.

    With `bottleneck` channels it is a bottleneck: 1x1 convolutions narrow the input and widen the output. Attention, if
    any, follows.
    """

    def __init__(self, plan: BlockSpec, norm: Callable[[int], ConditionalNorm]) -> None:
        super().__init__()
        self.plan = plan
        first = plan.bottleneck or plan.inputs
        last = plan.bottleneck or plan.outputs
        self.narrow = Pointwise(plan.inputs, plan.bottleneck, norm) if plan.bottleneck else None
        self.norm1, self.norm2 = norm(first), norm(last)
        self.conv1 = (
            nn.ConvTranspose2d(first, last, kernel_size=4, stride=2, padding=1)
            if plan.upsample
            else nn.Conv2d(first, last, kernel_size=3, padding=1)
        )
        self.conv2 = nn.Conv2d(last, last, kernel_size=3, padding=1)
        self.widen = Pointwise(plan.bottleneck, plan.outputs, norm) if plan.bottleneck else None
        self.shortcut = nn.Conv2d(plan.inputs, plan.outputs, kernel_size=1) if plan.shortcut else None
        self.attention = Attention(plan.outputs) if plan.attention else None

    def windows(self, wanted: Window, side: int) -> tuple[Window, Window, Window]:
        """Plan the windows of the input, of the map within and of the output, of `side` pixels, for what is wanted."""
        if self.attention is not None:
            wanted = Window.whole((side, side))  # attention reads every pixel
        within = _CONVOLVE.input_window(wanted, (side, side))
        if not self.plan.upsample:
            return _CONVOLVE.input_window(within, (side, side)), within, wanted
        half = (side // 2, side // 2)
        return _DOUBLE.input_window(within, half) | _REPEAT.input_window(wanted, half), within, wanted

    def forward(
        self, x: Patch, condition: Tensor | None, truncation: float | None, within: Window, wanted: Window
    ) -> Patch:
        """Compute a window of the output."""
        y = x if self.narrow is None else self.narrow(x, condition, truncation)
        first = _DOUBLE if self.plan.upsample else _CONVOLVE
        y = first(self.norm1(y, condition, truncation), within, self.conv1.weight, self.conv1.bias)
        y = _CONVOLVE(self.norm2(y, condition, truncation), wanted, self.conv2.weight, self.conv2.bias)
        if self.widen is not None:
            y = self.widen(y, condition, truncation)
        values = y.values + self._short(x, wanted).values
        return Patch(values if self.attention is None else self.attention(values), wanted)

    def _short(self, x: Patch, wanted: Window) -> Patch:
        """Take the shortcut; before the map is repeated, its convolution is a quarter of the work."""
        values = x.values[:, : self.plan.outputs] if self.shortcut is None else self.shortcut(x.values)
        short = Patch(values, x.window)
        return _REPEAT(short, wanted) if self.plan.upsample else short.cut(wanted)


class ResidualGenerator(nn.Module):
    """From a code, and a class if there are `classes`, to images (n, 3, side, side) in [-1, 1].

    The code's first `first` numbers make the first map, of `bottom` x `bottom` pixels; block i reads the class's
    embedding and the i-th `chunk` of the numbers behind them. Where the code is `shared`, the first map and every block
    read the embedding and all `first` numbers.
    """

    def __init__(
        self,
        plans: Sequence[BlockSpec],
        bottom: int,
        *,
        first: int,
        chunk: int,
        shared: bool = False,
        classes: int = 0,
        embedding: int = 0,
        norm: type[ConditionalNorm] = ConditionalNorm,
        epsilon: float = 1e-5,
        last_epsilon: float | None = None,
    ) -> None:
        super().__init__()
        self.plans, self.bottom, self.classes = tuple(plans), bottom, classes
        self.first, self.chunk, self.shared = first, chunk, shared
        self.embed = nn.Parameter(torch.zeros(classes, embedding)) if classes else None
        self.start = nn.Linear(first + embedding * shared, plans[0].inputs * bottom**2)
        wide = embedding + (first if shared else chunk)
        self.blocks = nn.ModuleList(ResidualBlock(plan, partial(norm, wide, epsilon=epsilon)) for plan in plans)
        self.norm = norm(0, plans[-1].outputs, epsilon if last_epsilon is None else last_epsilon)
        self.colour = nn.Conv2d(plans[-1].outputs, 3, kernel_size=3, padding=1)
        self.side = bottom << sum(plan.upsample for plan in plans)
        self.dim = first if shared else first + chunk * len(plans)

    def forward(
        self, z: Tensor, labels: Tensor | None = None, window: Window | None = None, truncation: float | None = None
    ) -> Tensor:
        """Render z (n, dim) and labels (n,), or a window of the picture only; see `Norm.statistics` of truncation."""
        window = window or Window.whole((self.side, self.side))
        start, *conditions = self._conditions(z, labels)
        x = Patch.whole(self.start(start).view(len(z), -1, self.bottom, self.bottom))
        for block, condition, (within, wanted) in zip(self._blocks(), conditions, self._windows(window), strict=True):
            x = block(x, condition, truncation, within, wanted)
        x = self.norm(x, None, truncation)
        return torch.tanh(_CONVOLVE(x, window, self.colour.weight, self.colour.bias).values)

    def _conditions(self, z: Tensor, labels: Tensor | None) -> list[Tensor | None]:
        """Give what the first layer and each block read."""
        embedded = None if self.embed is None else self.embed[labels]
        if self.shared:
            return [_joined(embedded, z)] * (1 + len(self.blocks))
        if not self.chunk:
            return [z, *[embedded] * len(self.blocks)]
        first, *chunks = torch.split(z, [self.first, *[self.chunk] * len(self.blocks)], dim=1)
        return [first, *(_joined(embedded, chunk) for chunk in chunks)]

    def _windows(self, window: Window) -> list[tuple[Window, Window]]:
        """Plan each block's windows, of the map within and of its output, from the last one backwards."""
        side, wanted = self.side, _CONVOLVE.input_window(window, (self.side, self.side))
        planned: list[tuple[Window, Window]] = []
        for block in reversed(self._blocks()):
            wanted, *made = block.windows(wanted, side)
            planned.insert(0, (made[0], made[1]))
            side //= 1 + block.plan.upsample
        return planned

    def _blocks(self) -> list[ResidualBlock]:
        return [block for block in self.blocks if isinstance(block, ResidualBlock)]


def untrained(network: ResidualGenerator, seed: int) -> ResidualGenerator:
    """Fill a network with random weights and statistics; the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            drawn = torch.randn(tensor.shape, generator=generator)
            spread = tensor[0].numel() ** -0.5 if tensor.ndim in {2, 4} else 0.3
            tensor.copy_(drawn.abs() + 0.5 if key.endswith(("variance", "strength", "scale")) else drawn * spread)
    return network


def _affine(constant: Tensor, weight: Tensor | None, condition: Tensor | None) -> Tensor:
    return constant if weight is None or condition is None else constant + condition @ weight.T


def _joined(embedded: Tensor | None, part: Tensor) -> Tensor:
    return part if embedded is None else torch.cat([embedded, part], dim=1)
