"""Checks of a projector.

A projector that serves every model is checked on small networks of known form: with codes of one row and of three, and
with classes. One that serves some models is checked on one of these, which is opened, and fetched if necessary.

Each function takes the projector's entry, and raises `ContractError` unless the requirement of its docstring is met.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import torch

from zoo._utils.progress import Progress, silent
from zoo.core.adapter import Adapter
from zoo.core.channels import as_rgb
from zoo.core.codes import Codes
from zoo.core.projector import Pictures, Projector
from zoo.core.region import parse_region
from zoo.errors import CodesError, ContractError
from zoo.models.opening import open_card
from zoo.plugins.entries import ProjectorPlugin
from zoo.registry.registry import load_installation
from zoo.testing.assertions import draw, leaves_no_trace, render, require
from zoo.testing.reference_adapter import ReferenceAdapter
from zoo.weights.cache import status

# How many pictures are projected at a time.
_COUNT = 3
_CLASSES = 3
# Of several models, one is taken whose weights are on this machine; see `zoo.weights.cache.status`.
_HERE = {"local", "cached", "bundled"}


def check_fits(entry: ProjectorPlugin) -> None:
    """`fits` returns True or False for the card of any model."""
    projector = _projector(entry)
    for card in load_installation().registry.cards.values():
        answer: object = projector.fits(card)
        require(isinstance(answer, bool), f"True or False for {card.name}", repr(answer))


def check_codes(entry: ProjectorPlugin) -> None:
    """Codes are zoo.Codes, one for each picture, of the network's space, with finite numbers."""
    for adapter in _networks(entry):
        for count in (1, _COUNT):
            codes: object = _project(entry, adapter, count=count)
            if not isinstance(codes, Codes):
                raise ContractError(f"the contract is: Codes are returned; seen: {type(codes).__name__}")
            require(len(codes) == count, f"a code for each of {count} pictures", len(codes))
            require(bool(torch.isfinite(codes.latents).all()), "finite codes", "NaN or infinity")
            try:
                adapter.check(codes.to(adapter.device, adapter.dtype), "what the projector returned")
            except CodesError as error:
                raise ContractError(f"the contract is: codes of {adapter.space}; seen: {error}") from None


def check_labels(entry: ProjectorPlugin) -> None:
    """Of a network with classes, each code has a class, and the one that was asked for."""
    for adapter in _networks(entry):
        if not adapter.needs_labels:
            continue
        free = _project(entry, adapter).labels
        require(free is not None, "codes have classes where the network has them", "none")
        for label in (0, len(adapter.classes) - 1):
            labels = _project(entry, adapter, label=label).labels
            seen = None if labels is None else labels.tolist()
            require(seen == [label] * _COUNT, f"codes of class {label}, which was asked for", seen)


def check_pictures(entry: ProjectorPlugin) -> None:
    """Another picture gives another code."""
    for adapter in _networks(entry):
        codes = _project(entry, adapter).latents
        same = torch.equal(codes[0], codes[1])
        require(not same, "another picture gives another code", "the same code")


def check_determinism(entry: ProjectorPlugin) -> None:
    """The same pictures, with a generator of the same seed, give bitwise the same codes."""
    for adapter in _networks(entry):
        first, again = (_project(entry, adapter).latents for _ in range(2))
        same = torch.equal(first, again)
        require(same, "random numbers come only from pictures.generator", "other codes for the same seed")


def check_traces(entry: ProjectorPlugin) -> None:
    """A projection, finished or interrupted, leaves pictures, network, settings and random states unchanged."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    for adapter in _networks(entry):
        for progress in (silent, interrupt):
            pictures = _pictures(adapter, progress=progress)
            before = pictures.images.clone()
            with leaves_no_trace(adapter), suppress(KeyboardInterrupt):
                _projector(entry).project(adapter, pictures)
            require(torch.equal(pictures.images, before), "pictures stay unchanged", "they changed")


def _projector(entry: ProjectorPlugin) -> Projector[Any]:
    projector: object = entry.resolve()(entry.schema()())
    if not isinstance(projector, Projector):
        raise ContractError(
            f"the contract is: a projector is a subclass of zoo.Projector; seen: {type(projector).__name__}"
        )
    return projector


def _networks(entry: ProjectorPlugin) -> Iterator[Adapter]:
    """Yield networks that the projector serves; every call of a check gets new ones of known form."""
    installation, projector = load_installation(), _projector(entry)
    served = [card for card in installation.registry.cards.values() if projector.fits(card)]
    if len(served) == len(installation.registry.cards):
        yield from (ReferenceAdapter(), ReferenceAdapter(3), ReferenceAdapter(classes=_CLASSES))
        return
    require(bool(served), "it serves an installed model", "none: install or add the card of its model")
    here = [card for card in served if status(card) in _HERE]
    card = [*here, *served][0]
    yield open_card(card, installation, device="cpu").adapter


def _pictures(
    adapter: Adapter, *, count: int = _COUNT, label: int | None = None, progress: Progress = silent
) -> Pictures:
    """Draw pictures that the network can draw."""
    images = as_rgb(render(adapter, draw(adapter, count, 0))).clamp(-1, 1)
    region = parse_region("all", adapter.resolution)
    return Pictures(images, region, label, torch.Generator().manual_seed(0), progress)


def _project(entry: ProjectorPlugin, adapter: Adapter, **pictures: Any) -> Codes:
    return _projector(entry).project(adapter, _pictures(adapter, **pictures))
