"""The R3GAN generator (Huang et al., "The GAN is dead; long live the GAN!", NeurIPS 2024): no norms and no styles."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from zoo.nn import Convolution, Patch, TransposedConvolution, Window, store_as

_SLOPE = 0.2
_CONV_3X3 = Convolution(kernel=3, padding=1)
_UPSAMPLE_CONV = TransposedConvolution(kernel=4, padding=1, stride=2)


class Block(nn.Module):
    """A residual block: a 1x1 convolution, a grouped 3x3 one, and a 1x1 one, with leaky ReLUs between them.

    Args:
        channels: channels of the input and of the output.
        width: channels between the 1x1 convolutions.
        groups: groups of the 3x3 convolution.
    """

    def __init__(self, channels: int, width: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.widen = nn.Conv2d(channels, width, kernel_size=1)
        self.mix = nn.Conv2d(width, width, kernel_size=3, groups=groups)
        self.narrow = nn.Conv2d(width, channels, kernel_size=1, bias=False)

    def forward(self, x: Patch, window: Window) -> Patch:
        """Compute a window of the output.

        Args:
            x: a patch of the input, one pixel larger on each side.
            window: the window to compute.

        Returns:
            The patch (n, channels, rows, columns) of that window.
        """
        widened = Patch(leaky_relu(self.widen(x.values), _SLOPE), x.window)
        mixed = _CONV_3X3(widened, window, self.mix.weight, self.mix.bias, self.groups)
        return Patch(x.crop(window).values + self.narrow(leaky_relu(mixed.values, _SLOPE)), window)


class Stage(nn.Module):
    """The blocks of one resolution, after upsampling, and after a 1x1 convolution where channels change.

    The state dict holds `project`, the 1x1 convolution, as ``change``.

    Args:
        in_channels: channels of the input.
        channels: channels of the blocks.
        blocks: width and groups of each block.
        upsample: whether the map's size is doubled, which all stages but the first do.
    """

    def __init__(self, in_channels: int, channels: int, blocks: Sequence[tuple[int, int]], *, upsample: bool) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.channels = channels
        self.project = nn.Conv2d(in_channels, channels, kernel_size=1, bias=False) if in_channels != channels else None
        self.kernel = nn.Buffer(torch.zeros(4, 4)) if upsample else None
        self.blocks = nn.ModuleList(Block(channels, width, groups) for width, groups in blocks)
        store_as(self, {"project": "change"})

    def windows(self, window: Window, size: int) -> tuple[list[Window], Window]:
        """Plan the windows that a window of the output needs.

        Args:
            window: the window of the output to compute.
            size: height and width of the stage's output.

        Returns:
            The windows of the first block's input and of each block's output; and the window of the stage's input.
        """
        windows = [window]
        for _ in self.blocks:
            windows.insert(0, _CONV_3X3.input_window(windows[0], (size, size)))
        if self.kernel is None:
            return windows, windows[0]
        return windows, _UPSAMPLE_CONV.input_window(windows[0], (size // 2, size // 2))

    def forward(self, x: Patch, windows: Sequence[Window]) -> Patch:
        """Compute a window of the output.

        Args:
            x: a patch of the input.
            windows: those of the blocks, from `windows`; the last one is that of the output.

        Returns:
            The patch (n, channels, rows, columns) of the last window.
        """
        if self.project is not None:
            x = Patch(self.project(x.values), x.window)
        if self.kernel is not None:
            x = _UPSAMPLE_CONV.filter(x, windows[0], self.kernel)
        for block, window in zip(self.blocks, windows[1:], strict=True):
            x = block(x, window)
        return x


class R3GANGenerator(nn.Module):
    """From a code, and a class where there are any, to images.

    The first map is a learnt basis, whose channels the code and the embedded class scale:
    x = (start · [z, embed(class)]) ⊙ basis. The state dict holds `to_rgb` as ``colour``.

    Args:
        dim: numbers of a code.
        stages: the stages, from 4x4 pixels on.
        embedding_dim: numbers of an embedded class.
        classes: how many classes there are; 0 for an unconditional network.
        img_channels: channels of the image.

    Attributes:
        basis: (channels, 4, 4).
        img_resolution: height and width of the image.
    """

    def __init__(
        self, dim: int, stages: Sequence[Stage], *, embedding_dim: int, classes: int, img_channels: int = 3
    ) -> None:
        super().__init__()
        self.dim = dim
        self.classes = classes
        self.embed = nn.Parameter(torch.zeros(classes, embedding_dim)) if classes else None
        self.start = nn.Linear(dim + embedding_dim, stages[0].in_channels, bias=False)
        self.basis = nn.Parameter(torch.zeros(stages[0].in_channels, 4, 4))
        self.stages = nn.ModuleList(stages)
        self.to_rgb = nn.Conv2d(stages[-1].channels, img_channels, kernel_size=1, bias=False)
        self.img_resolution = 2 << len(stages)
        self.img_channels = img_channels
        store_as(self, {"to_rgb": "colour"})

    def forward(self, z: Tensor, labels: Tensor | None = None, window: Window | None = None) -> Tensor:
        """Render images.

        Args:
            z: (n, dim).
            labels: (n,), or None for an unconditional network.
            window: the window of the image to compute; None for all of it.

        Returns:
            (n, img_channels, height, width) of the image or of the window.
        """
        if self.embed is not None:
            z = torch.cat([z, self.embed[labels]], dim=1)
        x = Patch.whole(self.start(z)[:, :, None, None] * self.basis)
        planned = self._windows(window or Window.whole((self.img_resolution, self.img_resolution)))
        for stage, windows in zip(self.stages, planned, strict=True):
            x = stage(x, windows)
        images: Tensor = self.to_rgb(x.values)
        return images

    def _windows(self, window: Window) -> list[list[Window]]:
        """Plan the windows of all stages, from the last one backwards."""
        planned: list[list[Window]] = []
        for index, stage in reversed(list(enumerate(self.stages))):
            assert isinstance(stage, Stage)
            windows, window = stage.windows(window, 4 << index)
            planned.insert(0, windows)
        return planned


def untrained(
    seed: int,
    dim: int,
    channels: Sequence[int],
    *,
    blocks: int = 2,
    group_size: int = 4,
    embedding_dim: int = 0,
    classes: int = 0,
    img_channels: int = 3,
) -> R3GANGenerator:
    """Build a network of random weights.

    Args:
        seed: the same seed gives the same weights.
        dim: numbers of a code.
        channels: those of each stage.
        blocks: how many each stage has; they are twice as wide as the stage.
        group_size: channels of a group of the 3x3 convolutions.
        embedding_dim: numbers of an embedded class.
        classes: how many classes there are.
        img_channels: channels of the image.

    Returns:
        The network.
    """
    stages = [
        Stage(inputs, width, [(2 * width, 2 * width // group_size)] * blocks, upsample=index > 0)
        for index, (inputs, width) in enumerate(zip([channels[0], *channels], channels, strict=False))
    ]
    network = R3GANGenerator(dim, stages, embedding_dim=embedding_dim, classes=classes, img_channels=img_channels)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            std = tensor[0].numel() ** -0.5 if tensor.ndim in {2, 4} else 0.3
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * std)
            if key.endswith("kernel"):
                # A low-pass filter of sum 4, for maps with three zeros for each point.
                taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
                tensor.copy_(torch.outer(taps, taps))
    return network
