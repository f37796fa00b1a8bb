"""The discriminator: a residual network that grows with the generator, and reads the class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import floor, sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, leaky_relu, one_hot

from recipes.generators import LearningRate, clear_biases

_GROUP = 4


class Downsample(nn.Module):
    """A residual block: two 3x3 convolutions and a mean over 2x2 pixels, beside a shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.conv2 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Compute maps of half the height and width."""
        y = leaky_relu(self.conv2(avg_pool2d(leaky_relu(self.conv1(x), 0.2), 2)), 0.2)
        output: Tensor = (y + self.shortcut(avg_pool2d(x, 2))) / sqrt(2)
        return output


class Discriminator(nn.Module):
    """From images (n, 3, height, width) and labels to a score for each image, large for real ones.

    The class is read by projection (Miyato & Koyama, ICLR 2018), and the variety of images by their standard deviation
    within groups of four (Karras et al., ICLR 2018, section 3).

    Args:
        channels: those of the maps, from 4x4 pixels on.
        classes: how many classes there are; 0 for none.

    Attributes:
        lod: the level of detail of the generator.
    """

    def __init__(self, channels: Sequence[int], classes: int) -> None:
        super().__init__()
        self.lod = 0.0
        self.from_rgb = nn.ModuleList(nn.Conv2d(3, width, 1) for width in channels)
        self.blocks = nn.ModuleList(Downsample(inputs, outputs) for outputs, inputs in pairwise(channels))
        self.last = nn.Conv2d(channels[0] + 1, channels[0], 3, padding=1)
        self.dense = nn.Linear(channels[0] * 16, channels[0])
        self.score = nn.Linear(channels[0], 1)
        self.embed = nn.Parameter(torch.zeros(classes, channels[0])) if classes else None
        clear_biases(self)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Score images: (n,)."""
        skipped = floor(self.lod)
        fade = self.lod % 1
        level = len(self.blocks) - skipped
        x = avg_pool2d(images, 2**skipped) if skipped else images
        y = leaky_relu(self.from_rgb[level](x), 0.2)
        if level:
            y = self.blocks[level - 1](y)
            if fade:
                below = leaky_relu(self.from_rgb[level - 1](avg_pool2d(x, 2)), 0.2)
                y = y + fade * (below - y)
        for block in reversed(list(self.blocks)[: max(level - 1, 0)]):
            y = block(y)
        y = leaky_relu(self.last(torch.cat([y, _group_std(y)], dim=1)), 0.2)
        y = leaky_relu(self.dense(y.flatten(1)), 0.2)
        scores: Tensor = self.score(y)[:, 0]
        if self.embed is not None:
            embedded = one_hot(labels, len(self.embed)).to(y) @ self.embed
            scores = scores + (y * embedded).sum(dim=1) / sqrt(y.shape[1])
        return scores

    def learning_rates(self) -> list[LearningRate]:
        """List how each parameter is initialised and learns."""
        return list(self._learning_rates())

    def _learning_rates(self) -> Iterator[LearningRate]:
        for name, parameter in self.named_parameters():
            if parameter.ndim < 2 or name == "embed":
                yield LearningRate(parameter, float(name == "embed"), 1.0)
            else:
                gain = 1.0 if name.startswith("score") or "shortcut" in name else sqrt(2)
                std = gain * parameter[0].numel() ** -0.5
                yield LearningRate(parameter, std, std)


def _group_std(x: Tensor) -> Tensor:
    """Return the standard deviation within each image's group, averaged over channels and pixels: (n, 1, h, w)."""
    count = _GROUP if len(x) % _GROUP == 0 else len(x)
    groups = x.float().view(count, -1, *x.shape[1:])
    std = (groups.var(dim=0, correction=0) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    return std.repeat(count).view(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:]).to(x)
