"""The user's own models: a weights file gets a card of its own, or becomes the file of a card that there is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from zoo._utils.files import atomic_file, is_file, locked, output_error
from zoo._utils.progress import Progress, silent
from zoo.core.class_names import imagenet_names
from zoo.errors import CardError, OptionError, OutputError, UnknownNameError, WeightsError, unknown_name
from zoo.models.model import Model
from zoo.models.opening import card_of_file, changed, open_card, print_licence
from zoo.registry.cards import Card, Licence, Source, Weights
from zoo.registry.registry import Installation, added_folder
from zoo.weights.cache import sha256_of
from zoo.weights.fetch import adopt

_OPTIONAL = ("layers", "classes", "dataset", "origin", "paper", "regions", "config")


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
    """Make a weights file known by a name; return its card and the file that was written.

    A new `name` (architecture.variant) gets a card in the user's registry that names the file where it lies, with its
    hash. The name of a model whose weights come from elsewhere takes the file into the cache in their stead, where its
    hash, or else its layout, is that card's. Raises `UnknownNameError`, `CheckpointError`, `WeightsError`, `CardError`,
    `OutputError`.
    """
    if not is_file(file):
        raise UnknownNameError(f"there is no file {file}: name a weights file")
    known = installation.registry.cards.get(name)
    if known is not None and (known.weights.remote or known.weights.obtain):
        return _adopt(known, file, installation, summary or licence or options, progress)
    place = added_folder() / f"{name}.yaml"
    if known is not None and not (force and place.exists()):
        how = "pass --force to replace its card" if place.exists() else f"its card is in {known.file}: choose another"
        raise OutputError(f"there is a model {name} already: {how}")
    stranger = card_of_file(file)
    stranger = changed(
        stranger,
        summary=summary or stranger.summary,
        licence=Licence(licence) if licence else stranger.licence,
        config=dict(options or {}),
    )
    card = _named(open_card(stranger, installation, device="cpu", progress=progress), file, name)
    try:
        with locked(place), atomic_file(place) as partial:
            if place.exists() and not force:
                raise OutputError(f"there is a model {name} already: another process has added it meanwhile")
            partial.write_text(yaml.safe_dump({"models": [_as_yaml(card)]}, sort_keys=False), encoding="utf-8")
    except OSError as error:
        raise output_error(place, error) from error
    return card, place


def remove(name: str) -> Path:
    """Delete a card that `add` wrote; the weights file stays. Raises `UnknownNameError`, `OutputError`.

    The card is not read, so that one that is broken, or whose name another model has taken since, can be removed too.
    """
    place = added_folder() / f"{name}.yaml"
    if Path(name).name != name or not is_file(place):
        raise unknown_name("model of 'zoo add'", name, [path.stem for path in added_folder().glob("*.yaml")])
    try:
        place.unlink()
    except OSError as error:
        raise output_error(place, error) from error
    return place


def _adopt(
    card: Card, file: Path, installation: Installation, described: object, progress: Progress
) -> tuple[Card, Path]:
    if described:
        raise OptionError(f"{card.name} has a card, which gives summary, licence and options: leave them out")
    if card.weights.sha256 is None:
        here = Weights(sources=(Source(str(file.absolute())),))
        open_card(replace(card, weights=here), installation, device="cpu", progress=progress)
    elif sha256_of(file) != card.weights.sha256:
        raise WeightsError(
            f"{card.name}: {file} has another sha256 than its card names, {card.weights.sha256}: a model of your own "
            "needs a --name of its own"
        )
    else:
        print_licence(card)
    return card, adopt(card, file, progress)[0]


def _named(model: Model, file: Path, name: str) -> Card:
    """Complete the card of a file that proved readable. Raises `CardError` for a name of another architecture."""
    family = model.card.adapter
    if not re.fullmatch(rf"{re.escape(family)}\.[a-z0-9][a-z0-9._-]*", name):
        raise CardError(
            f"--name {name}: the file holds a {family}, so that its name is {family}. and a variant of lower case "
            "letters, digits, '.', '-' and '_'"
        )
    source = Source(str(file.absolute()))
    here = Weights(sources=(source,), sha256=model.weights_sha256, size=file.stat().st_size)
    return replace(model.card, name=name, weights=here)


def _as_yaml(card: Card) -> dict[str, Any]:
    """Write a card as a registry file has it, without what is as usual."""
    usual = Card.__dataclass_fields__
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
    for field in _OPTIONAL:
        value = getattr(card, field)
        if value and value != usual[field].default:
            written[field] = list(value) if isinstance(value, tuple) else value
    if card.classes == imagenet_names():
        written["classes"] = "imagenet"
    return written
