"""Checks of a model card and of the weights that it names.

Each function takes the card as a `Subject`, and raises `ContractError` unless the requirement of its docstring is met.
"""

from __future__ import annotations

import torch

from zoo.checkpoints.reader import read_checkpoint
from zoo.core.common_regions import COMMON_REGIONS
from zoo.core.region import parse_region
from zoo.errors import ContractError, ZooError
from zoo.registry.card_files import read_cards
from zoo.registry.cards import Card
from zoo.testing.assertions import leaves_no_trace, render, require
from zoo.testing.subject import Subject
from zoo.weights.cache import sha256_of

_MEANINGLESS_TERMS = ("unknown", "todo", "tbd", "none", "?")


def check_card(subject: Subject) -> None:
    """The card's file is valid, field by field, and its architecture is installed."""
    card: Card = subject.item
    subject.installation.plugins.adapter(card.adapter)
    if card.file is not None:
        names = [other.name for other in read_cards(card.file)]
        require(card.name in names, f"a card in {card.file}", ", ".join(names))
    require(card.architecture == card.adapter, f"a name that begins with {card.adapter}.", card.name)


def check_licence(subject: Subject) -> None:
    """The card says on which terms the weights may be used."""
    terms = subject.item.licence.weights.strip()
    stated = bool(terms) and terms.casefold() not in _MEANINGLESS_TERMS
    require(stated, "licence.weights says the terms, or 'not stated' where the publisher does not", repr(terms))


def check_weights(subject: Subject) -> None:
    """The weights can be read or fetched, and have the hash and size of the card."""
    weights = subject.item.weights
    size = subject.file.stat().st_size
    require(weights.size in {None, size}, f"a file of {weights.size} bytes, as the card says", size)
    sha256 = sha256_of(subject.file)
    require(weights.sha256 in {None, sha256}, f"a file of sha256 {weights.sha256}, as the card says", sha256)
    pinned = weights.sha256 is not None or not subject.shipped
    require(pinned, "shipped weights are pinned by a sha256", "none in the card")


def check_container(subject: Subject) -> None:
    """Weights that ship in a package are safetensors, not a pickle, which could hold code."""
    container = read_checkpoint(subject.file).container
    require(not subject.shipped or container == "safetensors", "shipped weights are safetensors", container)


def check_model(subject: Subject) -> None:
    """The model opens, with the resolution, space, rows and number of classes that its card says."""
    card: Card = subject.item
    height, width = card.size
    size = subject.model.adapter.resolution
    require(tuple(size) == card.size, f"images of {height}x{width} pixels", f"{size[0]}x{size[1]}")
    space = subject.model.adapter.space
    rows_agree = card.layers in {1, space.layers}  # 1 is the default of a card that does not say
    same = (card.space, card.dim) == (space.name, space.dim) and rows_agree
    require(same, f"codes {card.codes}", str(space))


def check_regions(subject: Subject) -> None:
    """Every region of the card can be read, is within the image, and is not the whole image."""
    card: Card = subject.item
    height, width = card.size
    for name in card.regions:
        try:
            region = parse_region(name, card.size, card.regions)
        except ZooError as error:
            contract = f"the region {name} fits {height}x{width} pixels"
            raise ContractError(f"the contract is: {contract}; seen: {error}") from error
        whole = f"all of it: {COMMON_REGIONS['all']}"
        require(not region.whole, f"the region {name} is a part of the image", whole)


def check_classes(subject: Subject) -> None:
    """The names of the classes are all different. Opening the model checks that their number is the network's."""
    names = subject.item.classes
    require(len(set(names)) == len(names), "each class has a name of its own", ", ".join(names))


def check_samples(subject: Subject) -> None:
    """Samples are finite images of the declared size, differ from each other, and leave no trace."""
    model = subject.model
    with leaves_no_trace(model.adapter):
        images = render(model.adapter, model.sample(2))
    wanted = (2, model.adapter.channels, *model.adapter.resolution)
    require(tuple(images.shape) == wanted, f"images of {wanted}", tuple(images.shape))
    require(bool(torch.isfinite(images).all()), "finite images", "NaN or infinity")
    require(not torch.equal(images[0], images[1]), "another code gives another image", "the same image")
