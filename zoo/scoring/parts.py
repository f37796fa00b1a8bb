"""The part of each image that a region is named after, where a scorer knows it: a mask that follows the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from zoo.core.analyzer import Scorer
from zoo.core.channels import as_rgb
from zoo.editing.changes import PartMasks
from zoo.registry.cards import Card
from zoo.scoring.effects import skip_scorer


def part_masks(region: str, card: Card, scorers: Mapping[str, Scorer]) -> PartMasks | None:
    """Find who knows where the part is that a region is named after.

    Args:
        region: The text of the region, such as ``mouth`` or ``micah_mouth``.
        card: The card of the model.
        scorers: Scorers that fit the model, by name.

    Returns:
        What finds the masks of that part; None where no scorer has the part.
    """
    for name, scorer in scorers.items():
        for index, part in enumerate(scorer.parts):
            if region == part or region.endswith(f"_{part}"):
                return PartMasks(part, _finder(name, scorer, index, card))
    return None


def _finder(name: str, scorer: Scorer, index: int, card: Card) -> Callable[[Tensor], Tensor | None]:
    """Return what finds masks (n, h, w) of a part; None from the first failure on, which is told once."""
    failed = False

    def find(images: Tensor) -> Tensor | None:
        nonlocal failed
        if failed:
            return None
        try:
            masks = scorer.masks(as_rgb(images.clamp(-1, 1)))
            shape = (len(images), len(scorer.parts), *images.shape[2:])
            if tuple(masks.shape) != shape or masks.dtype != torch.bool:
                raise ValueError(f"masks of shape {tuple(masks.shape)}, but bools of shape {shape} are needed")
        except Exception as error:
            failed = True
            skip_scorer(name, card, error)
            return None
        return masks[:, index].cpu()

    return find
