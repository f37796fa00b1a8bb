"""What generators are trained against: a residual network that grows with them, and judges by class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import floor, sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, leaky_relu

from recipes.generators import Rate, clear_biases

_GROUP = 4


class Halve(nn.Module):
    """Two 3x3 convolutions and a mean over 2x2 pixels, beside a shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.conv2 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Compute maps of half the side."""
        y = leaky_relu(self.conv2(avg_pool2d(leaky_relu(self.conv1(x), 0.2), 2)), 0.2)
        halved: Tensor = (y + self.shortcut(avg_pool2d(x, 2))) / sqrt(2)
        return halved


class Discriminator(nn.Module):
    """From images (n, 3, side, side) and labels to one number each; `channels` are those of its maps, from 4x4 on.

    Classes are judged by projection (Miyato & Koyama, ICLR 2018), variety by the spread within groups of four (Karras
    et al., ICLR 2018, section 3). `lod` is the level of detail of the generator that it judges.
    """

    def __init__(self, channels: Sequence[int], classes: int) -> None:
        super().__init__()
        self.lod = 0.0
        self.colours = nn.ModuleList(nn.Conv2d(3, width, 1) for width in channels)
        self.halves = nn.ModuleList(Halve(wide, narrow) for narrow, wide in pairwise(channels))
        self.last = nn.Conv2d(channels[0] + 1, channels[0], 3, padding=1)
        self.dense = nn.Linear(channels[0] * 16, channels[0])
        self.judge = nn.Linear(channels[0], 1)
        self.embed = nn.Parameter(torch.zeros(classes, channels[0])) if classes else None
        clear_biases(self)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Judge (n,) images: large is real."""
        skipped, fade = floor(self.lod), self.lod % 1
        level = len(self.halves) - skipped
        x = avg_pool2d(images, 2**skipped) if skipped else images
        y = leaky_relu(self.colours[level](x), 0.2)
        if level:
            y = self.halves[level - 1](y)
            if fade:
                below = leaky_relu(self.colours[level - 1](avg_pool2d(x, 2)), 0.2)
                y = y + fade * (below - y)
        for half in reversed(list(self.halves)[: max(level - 1, 0)]):
            y = half(y)
        y = leaky_relu(self.last(torch.cat([y, _spread(y)], dim=1)), 0.2)
        y = leaky_relu(self.dense(y.flatten(1)), 0.2)
        judged: Tensor = self.judge(y)[:, 0]
        if self.embed is not None:
            judged = judged + (y * self.embed[labels]).sum(dim=1) / sqrt(y.shape[1])
        return judged

    def rates(self) -> list[Rate]:
        """Give every parameter its spread and speed (see `recipes.generators`)."""
        return list(self._rates())

    def _rates(self) -> Iterator[Rate]:
        for name, parameter in self.named_parameters():
            if parameter.ndim < 2 or name == "embed":
                yield Rate(parameter, float(name == "embed"), 1.0)
            else:
                gain = 1.0 if name.startswith("judge") or "shortcut" in name else sqrt(2)
                spread = gain * parameter[0].numel() ** -0.5
                yield Rate(parameter, spread, spread)


def _spread(x: Tensor) -> Tensor:
    """Give each picture the standard deviation within its group, the mean over channels and pixels: (n, 1, h, w)."""
    count = _GROUP if len(x) % _GROUP == 0 else len(x)
    groups = x.float().view(count, -1, *x.shape[1:])
    spread = (groups.var(dim=0, correction=0) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    return spread.repeat(count).view(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:]).to(x)
