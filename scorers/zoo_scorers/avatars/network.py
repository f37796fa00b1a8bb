"""The network of the scorer: a ResNet-10-T for images of 32 x 32 pixels, and the softmax over its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

RESOLUTION = 32  # height and width of the images that the network is trained on

_STEM_WIDTHS = (12, 16)
_WIDTHS = (32, 64, 128, 192)


def build_network(outputs: int) -> AvatarResNet:
    """Build the untrained network without advancing the global random generator.

    Args:
        outputs: Number of logits.

    Returns:
        A network in training mode whose weights depend on the state of torch's global generator.
    """
    with torch.random.fork_rng(devices=[]):
        return AvatarResNet(outputs)


class AvatarResNet(nn.Module):
    """ResNet-10-T: a stem of three convolutions and four stages of one basic block each.

    The keys of the state dict, the initialisation and the results are those of timm's ``resnet10t`` with
    ``channels=(32, 64, 128, 192)``, ``stem_width=16`` and no pooling after the stem. The stem halves the image once
    instead of twice, because glasses and eyes are only a few pixels large.
    Sources: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; the stem and the average pooling of
    shortcuts are variants C and D of He et al., "Bag of Tricks", CVPR 2019, section 4.2.

    Args:
        outputs: Number of logits.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv1 = _build_stem((3, *_STEM_WIDTHS, _WIDTHS[0]))
        self.bn1 = nn.BatchNorm2d(_WIDTHS[0])
        # Each stage is a sequence of one block, because timm's keys number the blocks of a stage.
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(BasicBlock(before, after)) for before, after in pairwise((_WIDTHS[0], *_WIDTHS))
        )
        self.fc = nn.Linear(_WIDTHS[-1], outputs)
        _initialize(self)

    def forward(self, images: Tensor) -> Tensor:
        """Compute logits.

        Args:
            images: Images (n, 3, 32, 32) in [-1, 1].

        Returns:
            Logits (n, outputs).
        """
        logits: Tensor = self.fc(self.features(images))
        return logits

    def features(self, images: Tensor) -> Tensor:
        """Compute the inputs of the last layer.

        Args:
            images: Images (n, 3, 32, 32) in [-1, 1].

        Returns:
            Features (n, 192), which are averages over pixels.
        """
        maps = functional.relu(self.bn1(self.conv1(images)))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            maps = stage(maps)
        return functional.adaptive_avg_pool2d(maps, 1).flatten(1)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut; where the width changes, the image is halved.

    Args:
        before: Number of channels of the input.
        after: Number of channels of the output.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        downsample = None if before == after else _build_shortcut(before, after)
        self.conv1 = nn.Conv2d(before, after, 3, stride=1 if downsample is None else 2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.downsample = downsample

    def forward(self, maps: Tensor) -> Tensor:
        """Apply the block.

        Args:
            maps: Feature maps (n, before, h, w).

        Returns:
            Feature maps (n, after, h, w), or (n, after, h / 2, w / 2) where the width changes.
        """
        shortcut = maps if self.downsample is None else self.downsample(maps)
        residual = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(maps)))))
        return functional.relu(residual + shortcut)


def log_probabilities(logits: Tensor, sizes: Sequence[int]) -> Tensor:
    """Normalise logits attribute by attribute.

    Args:
        logits: Logits (n, columns), the values of each attribute side by side.
        sizes: Number of values of each attribute; they add up to the number of columns.

    Returns:
        Log-probabilities (n, columns) whose exponentials add up to 1 within each attribute.
    """
    return torch.cat([part.log_softmax(dim=1) for part in logits.split(list(sizes), dim=1)], dim=1)


def _build_stem(widths: Sequence[int]) -> nn.Sequential:
    """Build 3 x 3 convolutions from width to width; normalisation and ReLU stand between them, not after the last."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        stride = 2 if not layers else 1
        layers += [nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers[:-2])


def _build_shortcut(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after))


def _initialize(network: nn.Module) -> None:
    """Draw the weights as timm does; each block starts as its shortcut, because its last scale is 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, BasicBlock):
            nn.init.zeros_(module.bn2.weight)
