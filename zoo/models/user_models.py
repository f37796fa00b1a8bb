"""The user's own models: a weights file gets a card of its own, or is stored as the file of an existing card."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo._utils.lookups import is_dir, require_file
from zoo._utils.progress import Progress, silent
from zoo.checkpoints.archives import weights_file_in
from zoo.checkpoints.reader import require_weights
from zoo.core.class_names import imagenet_names
from zoo.errors import CardError, OptionError, OutputError, WeightsError
from zoo.models.licences import print_licence
from zoo.models.model import Model
from zoo.models.model_cards import card_of_file, with_fields
from zoo.models.opening import open_card
from zoo.registry.added_cards import added_card, write_added
from zoo.registry.cards import Card, Licence, Weights
from zoo.registry.plain_yaml import dump_plain_yaml
from zoo.registry.registry import Installation
from zoo.registry.sources import Source
from zoo.weights.cache import sha256_of
from zoo.weights.fetch import import_file

# Fields of a card that are written only if they differ from the default.
_OPTIONAL_FIELDS = ("width", "channels", "layers", "classes", "dataset", "origin", "paper", "regions", "config")


def add(
    file: Path,
    name: str,
    installation: Installation,
    *,
    summary: str | None = None,
    licence: str | None = None,
    options: Mapping[str, Any] | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> tuple[Card, Path]:
    """Make a weights file known by a name.

    A new name gets a card in the user's registry, with the file's place and hash. Under the name of a model whose
    weights come from elsewhere, the file is copied into the cache, if its hash, or else its layout, is that card's.

    Args:
        file: The weights file, or a folder that holds one.
        name: ``architecture.variant``.
        installation: The plugins and the registry.
        summary: What the model draws, in a line; for a new name only.
        licence: The terms of the weights, in a line; for a new name only.
        options: Options of the architecture; for a new name only.
        force: Whether to replace a card that an earlier call wrote; an edited one is kept beside the new one.
        progress: Called with (steps done, steps in all, what is being done).

    Returns:
        The card, and the file that was written.

    Raises:
        UnknownNameError: If there is no such file.
        CheckpointError: If the file cannot be read.
        CardError: If the name is not of the file's architecture, or a text cannot stand in a card.
        OptionError: For what only a new name takes.
        WeightsError: If the file is not the one that the card names.
        OutputError: If the name is taken, or the operating system refuses.
    """
    file = weights_file_in(file) if is_dir(file) else file
    require_file(file, "name a weights file")
    require_weights(file)
    existing = installation.registry.cards.get(name)
    if existing is not None and (existing.weights.remote or existing.weights.obtain):
        return _add_to_cache(existing, file, installation, summary or licence or options, progress)
    path = added_card(name)
    if existing is not None and not (force and path.exists()):
        how = "pass --force to replace its card" if path.exists() else f"its card is in {existing.file}: choose another"
        raise OutputError(f"there is a model {name} already: {how}")
    draft = card_of_file(file)
    draft = with_fields(
        draft,
        summary=summary or draft.summary,
        licence=Licence(licence) if licence else draft.licence,
        config=dict(options or {}),
    )
    card = _named(open_card(draft, installation, device="cpu", progress=progress), file, name)
    write_added(path, dump_plain_yaml({"models": [_as_yaml(card)]}), force=force)
    return card, path


def _add_to_cache(
    card: Card, file: Path, installation: Installation, description: object, progress: Progress
) -> tuple[Card, Path]:
    """Store a file as the weights of an existing card; without a hash to compare, the file is opened as a check."""
    if description:
        raise OptionError(f"{card.name} has a card, which gives summary, licence and options: leave them out")
    if card.weights.sha256 is None:
        local = Weights(sources=(Source(str(file.absolute())),))
        open_card(replace(card, weights=local), installation, device="cpu", progress=progress)
    elif sha256_of(file) != card.weights.sha256:
        raise WeightsError(
            f"{card.name}: {file} has another sha256 than its card names, {card.weights.sha256}: a model of your own "
            "needs a --name of its own"
        )
    else:
        print_licence(card)
    return card, import_file(card, file, progress)[0]


def _named(model: Model, file: Path, name: str) -> Card:
    """Name the card of a file that was read. Raises `CardError` for a name of another architecture."""
    family = model.card.adapter
    if not re.fullmatch(rf"{re.escape(family)}\.[a-z0-9][a-z0-9._-]*", name):
        raise CardError(
            f"--name {name}: the file holds a {family}, so that its name is {family}. and a variant of lower case "
            "letters, digits, '.', '-' and '_'"
        )
    source = Source(str(file.absolute()))
    weights = Weights(sources=(source,), sha256=model.weights_sha256, size=file.stat().st_size)
    return replace(model.card, name=name, weights=weights)


def _as_yaml(card: Card) -> dict[str, Any]:
    """Write a card as it stands in a registry file, without fields that have their defaults."""
    defaults = Card.__dataclass_fields__
    written = {
        "name": card.name,
        "adapter": card.adapter,
        "summary": card.summary,
        "resolution": card.resolution,
        "space": card.space,
        "dim": card.dim,
        "weights": {
            "sources": [{"url": source.url} for source in card.weights.sources],
            "sha256": card.weights.sha256,
            "size": card.weights.size,
            "verified": card.weights.verified,
        },
        "licence": {"weights": card.licence.weights},
    }
    for field in _OPTIONAL_FIELDS:
        value = getattr(card, field)
        if value and value != defaults[field].default:
            written[field] = list(value) if isinstance(value, tuple) else value
    if card.classes == imagenet_names():
        written["classes"] = "imagenet"
    return written
