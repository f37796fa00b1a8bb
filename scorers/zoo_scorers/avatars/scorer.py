"""The scorer of rendered avatars."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from zoo import Scorer
from zoo.checkpoints import fill_module, read_checkpoint
from zoo.registry import Card
from zoo_scorers.avatars.card import WEIGHTS, columns, read_card
from zoo_scorers.avatars.masks import INDEXED_BY, PARTS, masks_of
from zoo_scorers.avatars.network import RESOLUTION, AvatarResNet, build_network, log_probabilities

_MODEL_NAME = re.compile(r"avatars\d*")
_DATASET = "recipes/avatars"
_BATCH_SIZE = 256


class Avatars(Scorer):
    """Log-probabilities of the values of each attribute of an avatar.

    The network is loaded when it is first used. It runs on the CPU in float32.
    """

    attributes: ClassVar[Sequence[str]] = columns()
    parts: ClassVar[Sequence[str]] = PARTS

    # The images that were scored last, their version, and their scores: masks are read from the same scores.
    _last: tuple[Callable[[], Tensor | None], int, Tensor] = (lambda: None, 0, torch.empty(0))

    def fits(self, card: Card) -> bool:
        """Decide whether a model draws avatars.

        Args:
            card: The card of the model.

        Returns:
            True if the data set of the card names recipes/avatars, or the model is called ``….avatars`` or
            ``….avatars32``.
        """
        return _DATASET in (card.dataset or "") or bool(_MODEL_NAME.fullmatch(card.name.partition(".")[2]))

    def score(self, images: Tensor) -> Tensor:
        """Score images.

        Args:
            images: Images (n, 3, h, w) in [-1, 1] of any size.

        Returns:
            Log-probabilities (n, attributes), on the CPU.
        """
        if images.requires_grad or images.is_inference():  # a gradient needs its own; no version is counted
            return self._compute_scores(images)
        known, version, scores = self._last
        if known() is not images or version != images._version:
            scores = self._compute_scores(images)
            self._last = weakref.ref(images), images._version, scores
        return scores.clone()

    def features(self, images: Tensor) -> Tensor:
        """Compute the features that the attributes are read from, for a Fréchet distance between sets of avatars.

        Args:
            images: Images (n, 3, h, w) in [-1, 1] of any size.

        Returns:
            Features (n, 192), on the CPU.
        """
        return _in_batches(self._network.features, images)

    def masks(self, images: Tensor) -> Tensor:
        """Find the parts of avatars: read their attributes, and take the masks of the drawings with these values.

        Args:
            images: Images (n, 3, h, w) in [-1, 1] of any size.

        Returns:
            Masks (n, parts, h, w) of bool, on the CPU; a part that an avatar does not have, such as glasses, is empty.
        """
        names = list(read_card()["attributes"])
        by_attribute = self.score(images).split(self._sizes, dim=1)
        values = torch.stack([by_attribute[names.index(name)].argmax(dim=1) for name in INDEXED_BY], dim=1)
        height, width = images.shape[2:]
        return masks_of(values, (height, width))

    def _compute_scores(self, images: Tensor) -> Tensor:
        return log_probabilities(_in_batches(self._network, images), self._sizes)

    @cached_property
    def _sizes(self) -> list[int]:
        return [len(values) for values in read_card()["attributes"].values()]

    @cached_property
    def _network(self) -> AvatarResNet:
        network = build_network(len(self.attributes))
        stored = read_checkpoint(WEIGHTS).state
        # The file holds float16; the counters of the normalisation layers are integers and stay so.
        state = {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in stored.items()}
        fill_module(network, state, str(WEIGHTS))
        return network.eval().requires_grad_(False)


def _in_batches(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Apply a function to images at the network's size, batch by batch; it can be differentiated in the images."""
    return torch.cat([function(_resize(part.cpu().float())) for part in images.split(_BATCH_SIZE)])


def _resize(images: Tensor) -> Tensor:
    """Bring images to 32 x 32 pixels; larger ones are averaged rather than sampled."""
    if images.shape[2:] == (RESOLUTION, RESOLUTION):
        return images
    return functional.interpolate(
        images, (RESOLUTION, RESOLUTION), mode="bilinear", align_corners=False, antialias=True
    )
