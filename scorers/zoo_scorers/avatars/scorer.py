"""The scorer: reads the network once, when it is first asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor, nn

from zoo import Scorer
from zoo.checkpoints import fill_module, read_checkpoint
from zoo.registry import Card
from zoo_scorers.avatars.card import WEIGHTS, columns, read_card
from zoo_scorers.avatars.network import SIDE, build_network, log_probabilities, pooled_features

_NAME = re.compile(r"avatars\d*")
_DATA = "recipes/avatars"
_BATCH = 256


class Avatars(Scorer):
    """Log-probabilities of the values of each attribute of an avatar."""

    attributes: ClassVar[Sequence[str]] = columns()

    def fits(self, card: Card) -> bool:
        """Say whether the model draws avatars: its data set names recipes/avatars, or it is called ``….avatars32``."""
        return _DATA in (card.dataset or "") or bool(_NAME.fullmatch(card.name.partition(".")[2]))

    def score(self, images: Tensor) -> Tensor:
        """Score images (n, 3, h, w) in [-1, 1]: (n, attributes) log-probabilities; 0 and below."""
        return log_probabilities(self._run(self._network, images), self._sizes)

    def features(self, images: Tensor) -> Tensor:
        """Describe images (n, 3, h, w) in [-1, 1] by the 192 numbers that the attributes are read from: (n, 192).

        They serve a Fréchet distance between sets of avatars.
        """
        return self._run(lambda part: pooled_features(self._network, part), images)

    @cached_property
    def _sizes(self) -> list[int]:
        return [len(values) for values in read_card()["attributes"].values()]

    @cached_property
    def _network(self) -> nn.Module:
        network = build_network(len(self.attributes))
        halves = read_checkpoint(WEIGHTS).state
        state = {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in halves.items()}
        fill_module(network, state, str(WEIGHTS))
        return network.eval().requires_grad_(False)

    def _run(self, network: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """Apply a function to images at the network's size, batch by batch, on the CPU."""
        with torch.no_grad():
            return torch.cat([network(_resized(part.cpu().float())) for part in images.split(_BATCH)])


def _resized(images: Tensor) -> Tensor:
    """Bring images to 32 x 32 pixels; large ones are averaged, not sampled."""
    if images.shape[2:] == (SIDE, SIDE):
        return images
    return nn.functional.interpolate(images, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
