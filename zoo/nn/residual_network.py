"""The generator of residual blocks that the BigGAN families share.

The weights are the effective ones: spectral norms are divided out, and nearest-neighbour upsampling is folded into the
3x3 convolution that follows (`zoo.checkpoints.fold_upsample_into_conv`), which takes 4 taps a pixel instead of 9.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from zoo.nn.local_layers import Convolution
from zoo.nn.residual_block import BlockSpec, ConditionalNorm, ResidualBlock
from zoo.nn.stored_names import store_as
from zoo.nn.window import Patch, Window

_CONV_3X3 = Convolution(kernel=3, padding=1)


class ResidualGenerator(nn.Module):
    """A generator of residual blocks, from a code z, and a class if there are any, to images in [-1, 1].

    There are two ways in which layers read the code:

    - In parts (BigGAN): the first layer reads the first `first_dim` numbers of z. Block i reads the embedded class and
      the i-th chunk of `chunk_dim` further numbers.
    - Whole (BigGAN-deep, `shared_code`): the first layer and every block read the embedded class and all of z, which
      has `first_dim` numbers.

    The state dict holds `to_rgb` as ``colour``.

    Args:
        specs: the blocks' structures, in order.
        bottom_width: height and width of the first map.
        first_dim: numbers of z that the first layer reads.
        chunk_dim: numbers of z that each block reads besides; 0 where blocks read none, or the whole code.
        shared_code: whether every block reads the whole code.
        classes: how many classes there are; 0 for an unconditional network.
        embedding_dim: numbers of an embedded class.
        norm: the type of the normalisations.
        epsilon: what the blocks' normalisations add to variances.
        last_epsilon: the same of the last normalisation; None for `epsilon`.
        img_channels: channels of the image.

    Attributes:
        dim: numbers of z.
        img_resolution: height and width of the image.
    """

    def __init__(
        self,
        specs: Sequence[BlockSpec],
        bottom_width: int,
        *,
        first_dim: int,
        chunk_dim: int,
        shared_code: bool = False,
        classes: int = 0,
        embedding_dim: int = 0,
        norm: type[ConditionalNorm] = ConditionalNorm,
        epsilon: float = 1e-5,
        last_epsilon: float | None = None,
        img_channels: int = 3,
    ) -> None:
        super().__init__()
        self.specs = tuple(specs)
        self.bottom_width = bottom_width
        self.classes = classes
        self.first_dim = first_dim
        self.chunk_dim = chunk_dim
        self.shared_code = shared_code
        self.embed = nn.Parameter(torch.zeros(classes, embedding_dim)) if classes else None
        self.start = nn.Linear(first_dim + embedding_dim * shared_code, specs[0].in_channels * bottom_width**2)
        condition_dim = embedding_dim + (first_dim if shared_code else chunk_dim)
        block_norm = partial(norm, condition_dim, epsilon=epsilon)
        self.blocks = nn.ModuleList(ResidualBlock(spec, block_norm) for spec in specs)
        self.norm = norm(0, specs[-1].out_channels, epsilon if last_epsilon is None else last_epsilon)
        self.to_rgb = nn.Conv2d(specs[-1].out_channels, img_channels, kernel_size=3, padding=1)
        self.img_channels = img_channels
        self.img_resolution = bottom_width << sum(spec.upsample for spec in specs)
        self.dim = first_dim if shared_code else first_dim + chunk_dim * len(specs)
        store_as(self, {"to_rgb": "colour"})

    def forward(
        self, z: Tensor, labels: Tensor | None = None, window: Window | None = None, truncation: float | None = None
    ) -> Tensor:
        """Render images.

        Args:
            z: (n, dim).
            labels: (n,), or None for an unconditional network.
            window: the window of the image to compute; None for all of it.
            truncation: as `ConditionalNorm.statistics` takes it.

        Returns:
            (n, img_channels, height, width) of the image or of the window, in [-1, 1].
        """
        window = window or Window.whole((self.img_resolution, self.img_resolution))
        start, *conditions = self._conditions(z, labels)
        x = Patch.whole(self.start(start).view(len(z), -1, self.bottom_width, self.bottom_width))
        for block, condition, (inner, wanted) in zip(self._blocks(), conditions, self._windows(window), strict=True):
            x = block(x, condition, truncation, inner, wanted)
        x = self.norm(x, None, truncation)
        return torch.tanh(_CONV_3X3(x, window, self.to_rgb.weight, self.to_rgb.bias).values)

    def _conditions(self, z: Tensor, labels: Tensor | None) -> list[Tensor | None]:
        """Return what the first layer and each block read."""
        embedded = None if self.embed is None else self.embed[labels]
        if self.shared_code:
            return [_concatenate(embedded, z)] * (1 + len(self.blocks))
        if not self.chunk_dim:
            return [z, *[embedded] * len(self.blocks)]
        # z = [first_dim | chunk_dim | chunk_dim | …]
        first, *chunks = torch.split(z, [self.first_dim, *[self.chunk_dim] * len(self.blocks)], dim=1)
        return [first, *(_concatenate(embedded, chunk) for chunk in chunks)]

    def _windows(self, window: Window) -> list[tuple[Window, Window]]:
        """Plan each block's windows, of the inner map and of the output, from the last block backwards."""
        size = self.img_resolution
        # What ToRGB, the last convolution, reads.
        window = _CONV_3X3.input_window(window, (size, size))
        planned: list[tuple[Window, Window]] = []
        for block in reversed(self._blocks()):
            window, inner, output = block.windows(window, size)
            planned.insert(0, (inner, output))
            size //= 1 + block.spec.upsample
        return planned

    def sides(self) -> list[int]:
        """List the sides of the maps.

        Returns:
            Height and width of the first map and of each block's output, in pixels.
        """
        sides = [self.bottom_width]
        for block in self._blocks():
            sides.append(sides[-1] << block.spec.upsample)
        return sides

    def _blocks(self) -> list[ResidualBlock]:
        return [block for block in self.blocks if isinstance(block, ResidualBlock)]


def untrained(network: ResidualGenerator, seed: int) -> ResidualGenerator:
    """Fill a network with random weights and statistics.

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
            # Weights keep the variance of what they read. Keys are the stored names: "strength" is attention's γ.
            std = tensor[0].numel() ** -0.5 if tensor.ndim in {2, 4} else 0.3
            tensor.copy_(drawn.abs() + 0.5 if key.endswith(("variance", "strength", "scale")) else drawn * std)
    return network


def _concatenate(embedded: Tensor | None, code: Tensor) -> Tensor:
    return code if embedded is None else torch.cat([embedded, code], dim=1)
