"""The part of each image that a region is named after, where a scorer knows it: a mask that follows the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from zoo.core.analyzer import Scorer
from zoo.core.channels import as_rgb
from zoo.editing.changes import PartMasks
from zoo.registry.cards import Card
from zoo.scoring.choosing import skip_scorer


class ScorerImages:
    """Makes images as scorers take them, once for all that look at a batch.

    A scorer that is asked for scores and masks of the same images then gets the same tensor twice.
    """

    def __init__(self) -> None:
        self._made: tuple[Tensor, Tensor] | None = None

    def of(self, images: Tensor) -> Tensor:
        """Return a batch of images (n, c, h, w) as RGB (n, 3, h, w), clamped to [-1, 1]."""
        if self._made is None or self._made[0] is not images:
            self._made = images, as_rgb(images.clamp(-1, 1))
        return self._made[1]


def part_masks(
    region: str, card: Card, scorers: Mapping[str, Scorer], shown: ScorerImages | None = None
) -> PartMasks | None:
    """Find who knows where the part is that a region is named after.

    Args:
        region: The text of the region, such as ``mouth`` or ``micah_mouth``.
        card: The card of the model.
        scorers: Scorers that fit the model, by name.
        shown: Makes the images that scorers look at; shared with whatever else asks them about the same images.

    Returns:
        What finds the masks of that part; None where no scorer has the part.
    """
    for name, scorer in scorers.items():
        try:
            parts = checked_parts(scorer)
        except ValueError as error:
            skip_scorer(name, card, error)
            continue
        for index, part in enumerate(parts):
            if region == part or region.endswith(f"_{part}"):
                return PartMasks(part, _finder(name, scorer, index, card, shown or ScorerImages()))
    return None


def checked_parts(scorer: Scorer) -> tuple[str, ...]:
    """Read the names of the parts that a scorer finds, and refuse what is no list of different names.

    Args:
        scorer: The scorer.

    Returns:
        The names.

    Raises:
        ValueError: If they are anything else.
    """
    parts: Any = scorer.parts
    named = isinstance(parts, Sequence) and not isinstance(parts, str)
    if not named or not all(isinstance(part, str) and part for part in parts) or len(set(parts)) < len(parts):
        raise ValueError(f"parts are {parts!r}, but a list or tuple of different names is needed")
    return tuple(parts)


def _finder(
    name: str, scorer: Scorer, index: int, card: Card, shown: ScorerImages
) -> Callable[[Tensor], Tensor | None]:
    """Return what finds masks (n, h, w) of a part; None from the first failure on, which is told once."""
    failed = False

    def find(images: Tensor) -> Tensor | None:
        nonlocal failed
        if failed:
            return None
        try:
            return checked_masks(scorer, shown.of(images))[:, index]
        except Exception as error:
            failed = True
            skip_scorer(name, card, error)
            return None

    return find


def checked_masks(scorer: Scorer, images: Tensor) -> Tensor:
    """Find the parts of images, and refuse what is no mask.

    Args:
        scorer: The scorer.
        images: The images (n, 3, h, w) in [-1, 1].

    Returns:
        (n, parts, h, w) of bool, on the CPU.

    Raises:
        ValueError: If the scorer returns anything but a bool for each image, part and pixel.
    """
    masks: object = scorer.masks(images)
    shape = (len(images), len(checked_parts(scorer)), *images.shape[2:])
    if not isinstance(masks, Tensor):
        raise ValueError(f"masks are a {type(masks).__name__}, but a tensor of bools of shape {shape} is needed")
    if tuple(masks.shape) != shape or masks.dtype != torch.bool or masks.is_meta:
        seen = f"{str(masks.dtype).removeprefix('torch.')} on {masks.device.type}"
        raise ValueError(f"masks are {seen} of shape {tuple(masks.shape)}, but bools of shape {shape} are needed")
    return masks.cpu()
