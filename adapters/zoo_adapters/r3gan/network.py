"""The R3GAN generator (Huang et al., "The GAN is dead; long live the GAN!", NeurIPS 2024): no norms and no styles."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from zoo.nn import Convolution, Patch, TransposedConvolution, Window

_SLOPE = 0.2
_CONVOLVE, _DOUBLE = Convolution(kernel=3, padding=1), TransposedConvolution(kernel=4, padding=1, stride=2)


class Block(nn.Module):
    """A residual block: 1x1 to `width` channels, 3x3 in `groups`, 1x1 back; nothing else is normalised or scaled."""

    def __init__(self, channels: int, width: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.widen = nn.Conv2d(channels, width, kernel_size=1)
        self.mix = nn.Conv2d(width, width, kernel_size=3, groups=groups)
        self.narrow = nn.Conv2d(width, channels, kernel_size=1, bias=False)

    def forward(self, x: Patch, wanted: Window) -> Patch:
        """Compute a window of the output."""
        wide = Patch(leaky_relu(self.widen(x.values), _SLOPE), x.window)
        mixed = _CONVOLVE(wide, wanted, self.mix.weight, self.mix.bias, self.groups)
        return Patch(x.cut(wanted).values + self.narrow(leaky_relu(mixed.values, _SLOPE)), wanted)


class Stage(nn.Module):
    """The blocks of a resolution, behind a 1x1 convolution, where channels change, and a filter that doubles the map.

    `blocks` are the width and groups of each. The first stage does not double its map.
    """

    def __init__(self, inputs: int, channels: int, blocks: Sequence[tuple[int, int]], *, doubles: bool) -> None:
        super().__init__()
        self.inputs, self.channels = inputs, channels
        self.change = nn.Conv2d(inputs, channels, kernel_size=1, bias=False) if inputs != channels else None
        self.kernel = nn.Buffer(torch.zeros(4, 4)) if doubles else None
        self.blocks = nn.ModuleList(Block(channels, *sizes) for sizes in blocks)

    def plan(self, wanted: Window, side: int) -> tuple[list[Window], Window]:
        """Plan the windows of what each block reads, and of what the stage does, for a map of `side` pixels."""
        windows = [wanted]
        for _ in self.blocks:
            windows.insert(0, _CONVOLVE.input_window(windows[0], (side, side)))
        read = windows[0] if self.kernel is None else _DOUBLE.input_window(windows[0], (side // 2, side // 2))
        return windows, read

    def forward(self, x: Patch, windows: Sequence[Window]) -> Patch:
        """Compute the last of the windows that were planned."""
        if self.change is not None:
            x = Patch(self.change(x.values), x.window)
        if self.kernel is not None:
            x = _DOUBLE.filter(x, windows[0], self.kernel)
        for block, wanted in zip(self.blocks, windows[1:], strict=True):
            x = block(x, wanted)
        return x


class R3GANGenerator(nn.Module):
    """From a code (n, dim), and a label where there are classes, to images (n, 3, side, side).

    The code and the label's embedding scale the `basis` (channels, 4, 4), which is the first map.
    """

    def __init__(self, dim: int, stages: Sequence[Stage], *, embedding: int, classes: int) -> None:
        super().__init__()
        self.dim, self.classes = dim, classes
        self.embed = nn.Parameter(torch.zeros(classes, embedding)) if classes else None
        self.start = nn.Linear(dim + embedding, stages[0].inputs, bias=False)
        self.basis = nn.Parameter(torch.zeros(stages[0].inputs, 4, 4))
        self.stages = nn.ModuleList(stages)
        self.colour = nn.Conv2d(stages[-1].channels, 3, kernel_size=1, bias=False)
        self.side = 2 << len(stages)

    def forward(self, z: Tensor, labels: Tensor | None = None, window: Window | None = None) -> Tensor:
        """Render z (n, dim) and labels (n,), or a window of the picture only."""
        if self.embed is not None:
            z = torch.cat([z, self.embed[labels]], dim=1)
        x = Patch.whole(self.start(z)[:, :, None, None] * self.basis)
        plans = self._windows(window or Window.whole((self.side, self.side)))
        for stage, windows in zip(self.stages, plans, strict=True):
            x = stage(x, windows)
        colours: Tensor = self.colour(x.values)
        return colours

    def _windows(self, window: Window) -> list[list[Window]]:
        """Plan the windows of all stages, from the last one backwards."""
        plans: list[list[Window]] = []
        for index, stage in reversed(list(enumerate(self.stages))):
            assert isinstance(stage, Stage)
            windows, window = stage.plan(window, 4 << index)
            plans.insert(0, windows)
        return plans


def untrained(
    seed: int,
    dim: int,
    channels: Sequence[int],
    *,
    blocks: int = 2,
    group: int = 4,
    embedding: int = 0,
    classes: int = 0,
) -> R3GANGenerator:
    """Build a network of random weights, `channels` those of its stages; the same for the same seed.

    Each stage has so many blocks, twice as wide, in groups of `group` channels.
    """
    stages = [
        Stage(before, width, [(2 * width, 2 * width // group)] * blocks, doubles=index > 0)
        for index, (before, width) in enumerate(zip([channels[0], *channels], channels, strict=False))
    ]
    network = R3GANGenerator(dim, stages, embedding=embedding, classes=classes)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            spread = tensor[0].numel() ** -0.5 if tensor.ndim in {2, 4} else 0.3
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * spread)
            if key.endswith("kernel"):
                taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
                tensor.copy_(torch.outer(taps, taps))
    return network
