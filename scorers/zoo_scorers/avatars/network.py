"""The network: a ResNet of four blocks by timm, for images of 32 x 32 pixels."""

from typing import Any

import torch
from torch import Tensor, nn

SIDE = 32
"""Height and width of the images that the network was trained on."""

WIDTHS = (32, 64, 128, 192)


def build_network(outputs: int) -> nn.Module:
    """Build the network, untrained: images (n, 3, 32, 32) in [-1, 1] to logits (n, outputs).

    Its stem halves the image once instead of twice, so that glasses and eyes of a few pixels are not lost.
    """
    import timm

    with torch.random.fork_rng(devices=[]):
        network: nn.Module = timm.create_model(
            "resnet10t", pretrained=False, num_classes=outputs, channels=WIDTHS, stem_width=16
        )
    network.maxpool = nn.Identity()
    return network


def pooled_features(network: Any, images: Tensor) -> Tensor:
    """Return what the last layer of a network of timm reads: (n, 192)."""
    features: Tensor = network.forward_head(network.forward_features(images), pre_logits=True)
    return features


def log_probabilities(logits: Tensor, sizes: list[int]) -> Tensor:
    """Normalise logits (n, columns) attribute by attribute; `sizes` has the number of values of each."""
    return torch.cat([part.log_softmax(dim=1) for part in logits.split(sizes, dim=1)], dim=1)
