"""Checks of a scorer.

Each function takes the scorer's entry, and raises `ContractError` unless the requirement of its docstring is met.
"""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.core.analyzer import Scorer
from zoo.errors import ContractError
from zoo.plugins.entries import ScorerPlugin
from zoo.registry.registry import load_installation
from zoo.scoring.parts import checked_masks, checked_parts
from zoo.testing.assertions import OUTPUT_TOLERANCE, leaves_no_trace, require, require_close

# Pixels a side of the images that are scored where the scorer fits no installed model.
_SIDE = 64


def check_attributes(entry: ScorerPlugin) -> None:
    """The entry lists the attributes that the class scores, each once."""
    attributes = tuple(_scorer(entry).attributes)
    announced = tuple(entry.attributes)
    require(bool(attributes) and all(attributes), "at least one attribute, each with a name", attributes)
    require(len(set(attributes)) == len(attributes), "each attribute once", attributes)
    require(attributes == announced, f"the entry lists the attributes of the class, {attributes}", announced)


def check_fits(entry: ScorerPlugin) -> None:
    """`fits` returns True or False for the card of any model."""
    scorer = _scorer(entry)
    for card in load_installation().registry.cards.values():
        answer: object = scorer.fits(card)
        require(isinstance(answer, bool), f"True or False for {card.name}", repr(answer))


def check_scores(entry: ScorerPlugin) -> None:
    """Scores are finite, (n, attributes), the same for the same images, and depend on the images."""
    images = _images(entry)
    scores = _scores(entry, images)
    wanted = (len(images), len(_scorer(entry).attributes))
    require(tuple(scores.shape) == wanted, f"scores (images, attributes) = {wanted}", tuple(scores.shape))
    require(bool(torch.isfinite(scores).all()), "finite scores", "NaN or infinity")
    require(torch.equal(scores, _scores(entry, images)), "the same images get the same scores", "different scores")
    require(not torch.equal(scores[0], scores[1]), "other images get other scores", "the same scores")


def check_batches(entry: ScorerPlugin) -> None:
    """The scores of an image do not depend on the rest of its batch."""
    images = _images(entry)
    alone = torch.cat([_scores(entry, image[None]) for image in images])
    require_close(alone, _scores(entry, images), OUTPUT_TOLERANCE, "scores do not depend on the batch")


def check_parts(entry: ScorerPlugin) -> None:
    """Each part has a name of its own, and a scorer with parts finds their masks."""
    scorer = _scorer(entry)
    try:
        names = checked_parts(scorer)
    except ValueError as error:
        raise ContractError(f"the contract is: each part has a name of its own; seen: {error}") from error
    finds = type(scorer).masks is not Scorer.masks
    require(finds or not names, "a scorer with parts defines masks", f"{', '.join(names)}, but no masks")
    require(bool(names) or not finds, "a scorer that defines masks names the parts", "no parts")


def check_masks(entry: ScorerPlugin) -> None:
    """Masks are bools (n, parts, h, w), the same for the same images, whatever the rest of their batch."""
    if not _scorer(entry).parts:
        return
    images = _images(entry)
    masks = _masks(entry, images)
    require(torch.equal(masks, _masks(entry, images)), "the same images get the same masks", "different masks")
    alone = torch.cat([_masks(entry, image[None]) for image in images])
    require(torch.equal(alone, masks), "masks do not depend on the batch", "other masks for a single image")


def check_traces(entry: ScorerPlugin) -> None:
    """Scoring and finding parts leave the images, settings and random states unchanged."""
    scorer = _scorer(entry)
    images = _images(entry)
    before = images.clone()
    with leaves_no_trace():
        scorer.score(images)
        scorer.masks(images)
    require(torch.equal(images, before), "images stay unchanged", "they changed")


def _scorer(entry: ScorerPlugin) -> Scorer:
    scorer: object = entry.build()
    if not isinstance(scorer, Scorer):
        raise ContractError(f"the contract is: a scorer is a subclass of zoo.Scorer; seen: {type(scorer).__name__}")
    return scorer


def _scores(entry: ScorerPlugin, images: Tensor) -> Tensor:
    return _scorer(entry).score(images.clone()).detach().cpu().to(torch.float64)


def _masks(entry: ScorerPlugin, images: Tensor) -> Tensor:
    try:
        return checked_masks(_scorer(entry), images.clone())
    except ValueError as error:
        raise ContractError(f"the contract is: masks are bools (images, parts, h, w); seen: {error}") from error


def _images(entry: ScorerPlugin) -> Tensor:
    """Draw three smooth images in [-1, 1], (3, 3, height, width), as large as the first model that the scorer fits."""
    scorer = _scorer(entry)
    sizes = [card.size for card in load_installation().registry.cards.values() if scorer.fits(card)]
    coarse = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    size = sizes[0] if sizes else (_SIDE, _SIDE)
    return torch.nn.functional.interpolate(coarse, size, mode="bilinear")
