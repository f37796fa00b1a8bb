"""The cards of opened models: found by name, made for a bare file, completed and checked by what the weights hold."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo._utils.lookups import is_dir, require_file
from zoo._utils.paths import expand_home
from zoo._utils.untrusted.pipelines import is_pipeline, pipeline_name
from zoo.checkpoints.archives import weights_file_in
from zoo.checkpoints.metadata import read_metadata
from zoo.core.adapter import Adapter
from zoo.errors import CardError, UnknownNameError
from zoo.models.tuned import refuse_tuned
from zoo.registry.cards import Card, Licence, Weights, is_file_name
from zoo.registry.registry import Installation
from zoo.registry.sources import Source


def find_card(name: str | Path, installation: Installation) -> Card:
    """Find the card of a model, or make one for a weights file.

    Args:
        name: The model's name, or the file's path.
        installation: The plugins and the registry.

    Returns:
        The card; that of a file has no adapter.

    Raises:
        UnknownNameError: If there is no such model or file.
    """
    return card_of_file(expand_home(name)) if is_file_name(str(name)) else installation.registry.resolve(str(name))


def card_of_file(path: Path) -> Card:
    """Make a card for a weights file; what only the weights can tell is filled in when they are read.

    Args:
        path: The file, or a folder that holds one, such as a snapshot of Hugging Face.

    Returns:
        A card without an adapter. Licence, summary and origin are those that a converted file states.

    Raises:
        UnknownNameError: If there is no such file, or its name is not printable.
        CheckpointError: If the file was converted by zoo, but says so in a way that cannot be read; if it holds tuned
            weights; or if a folder does not hold one weights file.
    """
    path = weights_file_in(path) if is_dir(path) else path
    require_file(path, "name a weights file, or a model of 'zoo list'")
    refuse_tuned(path)
    if not str(path.absolute()).isprintable():
        raise UnknownNameError(
            f"the name {str(path.absolute())!r} has characters that a card cannot hold: rename the file"
        )
    stem = re.sub(r"[^a-z0-9_-]+", "-", Path(pipeline_name(path)).stem.lower()).strip("-_") or "model"
    metadata = read_metadata(path)
    kind = "folder" if is_pipeline(path) else "file"
    return Card(
        name=f"file.{stem}",
        adapter="",
        summary=metadata.summary if metadata else f"the {kind} {pipeline_name(path)}",
        resolution=1,
        space="?",
        dim=1,
        weights=Weights(sources=(Source(url=str(path.absolute())),)),
        licence=metadata.licence if metadata else Licence(weights="unknown: ask whoever gave you the file"),
        origin=f"{metadata.origin}, sha256 {metadata.sha256}" if metadata else None,
    )


def with_fields(card: Card, **fields: Any) -> Card:
    """Change fields of a card as a user asks.

    Args:
        card: The card.
        **fields: The new values.

    Returns:
        The changed card.

    Raises:
        CardError: For a value that a card cannot have.
    """
    try:
        return replace(card, **fields)
    except ValueError as error:
        raise CardError(f"{card.name}: {error}") from None


def completed(card: Card, family: str, adapter: Adapter) -> Card:
    """Fill in what only the weights can tell.

    Args:
        card: A card.
        family: The architecture's name.
        adapter: The network that was built from the weights.

    Returns:
        The card with the network's architecture, resolution, channels, space and classes.
    """
    height, width = adapter.resolution
    return replace(
        card,
        adapter=family,
        resolution=height,
        width=None if width == height else width,
        channels=adapter.channels,
        space=adapter.space.name,
        dim=adapter.space.dim,
        layers=adapter.space.layers,
        classes=adapter.classes,
    )


def check_card(card: Card, actual: Card, path: Path, *, has_options: bool) -> None:
    """Compare a card with what the weights hold. The card of a file, which has no adapter, agrees with anything.

    Args:
        card: The card.
        actual: The card as completed by the weights.
        path: The weights file, for the error message.
        has_options: Whether the caller chose options of the architecture. These may change the number of layers (a
            level of detail leaves some out) and of classes, which then are not compared.

    Raises:
        CardError: If the card states another size, space, or number of channels or classes.
    """
    if not card.adapter:
        return
    pair = (card, actual)
    if card.layers == 1 or has_options:
        pair = (replace(card, layers=1), replace(actual, layers=1))
    sizes = [f"{one.pixels}, {one.codes}" for one in pair]
    if actual.space == card.space and sizes[0] != sizes[1]:
        raise CardError(
            f"{card.name}: its card says {sizes[0]}, but {path} holds {sizes[1]}: mend the card or the file"
        )
    if card.channels not in {3, actual.channels}:  # 3 is the default of a card that does not say
        channels = f"its card says {card.channels} channels, but {path} has {actual.channels}"
        raise CardError(f"{card.name}: {channels}: mend the card or the file")
    if len(card.classes) not in {0, len(actual.classes)} and not has_options:
        classes = f"its card names {len(card.classes)} classes, but {path} holds {len(actual.classes)}"
        raise CardError(f"{card.name}: {classes}: mend the card or the file")
