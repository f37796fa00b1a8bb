"""What every model card must hold, and the weights that it names: functions of the card and where it was found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from zoo.checkpoints.reader import read_checkpoint
from zoo.core.common_regions import COMMON_REGIONS
from zoo.core.region import parse_region
from zoo.errors import ZooError
from zoo.models.model import Model
from zoo.models.opening import open_card
from zoo.registry.cards import Card
from zoo.registry.registry import Installation, read_cards
from zoo.testing.require import leaves_no_trace, render, require
from zoo.weights.cache import sha256_of
from zoo.weights.fetch import fetch

_UNKNOWN = ("unknown", "todo", "tbd", "none", "?")


@dataclass(frozen=True)
class Subject:
    """A card, and the installation that it belongs to; its file is fetched and its model opened on first use."""

    card: Card
    installation: Installation

    @cached_property
    def file(self) -> Path:
        """The weights file. Raises `WeightsError`."""
        return fetch(self.card)[0]

    @cached_property
    def model(self) -> Model:
        """The opened model, on the CPU. Raises what `open_card` does."""
        return open_card(self.card, self.installation, device="cpu")

    @property
    def shipped(self) -> bool:
        """Whether the weights come in the package of the card, zoo's own or a plugin's."""
        packages = {path.parent for _, path in self.installation.plugins.registries}
        inside = self.card.file is None or self.card.file.parent in packages
        bundled = any(source.scheme == "bundled" for source in self.card.weights.sources)
        return bundled or (inside and not self.card.weights.remote and bool(self.card.weights.sources))


def check_card(subject: Subject) -> None:
    """The card's file is valid, field by field, and its architecture is installed."""
    card = subject.card
    subject.installation.plugins.adapter(card.adapter)
    if card.file is not None:
        names = [other.name for other in read_cards(card.file)]
        require(card.name in names, f"a card in {card.file}", ", ".join(names))
    require(card.architecture == card.adapter, f"a name that begins with {card.adapter}.", card.name)


def check_licence(subject: Subject) -> None:
    """The card says on which terms the weights may be used."""
    told = subject.card.licence.weights.strip()
    known = bool(told) and told.casefold() not in _UNKNOWN
    require(known, "licence.weights says the terms, or 'not stated' where the publisher does not", repr(told))


def check_weights(subject: Subject) -> None:
    """The weights are here or can be fetched; hash and size are those of the card."""
    told, file = subject.card.weights, subject.file
    size = file.stat().st_size
    require(told.size in {None, size}, f"a file of {told.size} bytes, as the card says", size)
    found = sha256_of(file)
    require(told.sha256 in {None, found}, f"a file of sha256 {told.sha256}, as the card says", found)
    require(
        told.sha256 is not None or not subject.shipped, "shipped weights are pinned by a sha256", "none in the card"
    )


def check_container(subject: Subject) -> None:
    """Weights that come in a package are safetensors: no pickle, which could hold code."""
    container = read_checkpoint(subject.file).container
    require(not subject.shipped or container == "safetensors", "shipped weights are safetensors", container)


def check_model(subject: Subject) -> None:
    """The model opens, with the resolution, space, rows and number of classes that its card says."""
    card, adapter = subject.card, subject.model.adapter
    height, width = adapter.resolution
    require(
        (height, width) == (card.resolution,) * 2, f"images of {card.resolution} pixels a side", f"{height}x{width}"
    )
    space = adapter.space
    rows = {card.layers, space.layers} if card.layers > 1 else {space.layers}  # 1, or left out
    same = (card.space, card.dim) == (space.name, space.dim) and len(rows) == 1
    require(same, f"codes {card.codes}", str(space))


def check_regions(subject: Subject) -> None:
    """Every region of the card can be read and lies within its pictures; none is the whole picture."""
    card = subject.card
    for name in card.regions:
        try:
            region = parse_region(name, (card.resolution,) * 2, card.regions)
        except ZooError as error:
            require(False, f"the region {name} fits {card.resolution}x{card.resolution} pixels", error)
        require(not region.whole, f"the region {name} is a part of the picture", f"all of it: {COMMON_REGIONS['all']}")


def check_classes(subject: Subject) -> None:
    """The card names each class once; that there are as many as the network has is seen when it opens."""
    told = subject.card.classes
    require(len(set(told)) == len(told), "each class has a name of its own", ", ".join(told))


def check_samples(subject: Subject) -> None:
    """Samples are finite images of the declared size, each another, and drawing them leaves no trace."""
    model = subject.model
    with leaves_no_trace(model.adapter):
        images = render(model.adapter, model.sample(2))
    wanted = (2, 3, *model.adapter.resolution)
    require(tuple(images.shape) == wanted, f"images of {wanted}", tuple(images.shape))
    require(bool(torch.isfinite(images).all()), "finite images", "NaN or infinity")
    require(not torch.equal(images[0], images[1]), "another code gives another image", "the same")
