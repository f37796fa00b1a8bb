"""The user's own models: a weights file gets a card of its own, or is stored as the file of an existing card."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo._utils.files import atomic_file, is_dir, is_file
from zoo._utils.locks import locked
from zoo._utils.progress import Progress, silent
from zoo._utils.writing.system_calls import rename_new
from zoo._utils.writing.workspaces import output_error
from zoo.checkpoints.archives import weights_file_in
from zoo.checkpoints.reader import require_weights
from zoo.core.class_names import imagenet_names
from zoo.errors import CardError, OptionError, OutputError, WeightsError, unknown_name
from zoo.models.licences import print_licence
from zoo.models.model import Model
from zoo.models.model_cards import card_of_file, require_file, with_fields
from zoo.models.opening import open_card
from zoo.registry.card_files import added_folder
from zoo.registry.cards import Card, Licence, Weights
from zoo.registry.plain_yaml import dump_plain_yaml
from zoo.registry.registry import Installation
from zoo.registry.sources import Source
from zoo.weights.cache import sha256_of
from zoo.weights.fetch import import_file

# The first line of a card that `add` wrote. One without it, or with another text after it, has been edited.
_SEAL = "# Written by zoo add. The SHA-256 of the other lines: {}\n"
_MOST_NAMES = 1000
# Fields of a card that are written only if they differ from the default.
_OPTIONAL_FIELDS = ("width", "channels", "layers", "classes", "dataset", "origin", "paper", "regions", "config")


class EditedCardWarning(UserWarning):
    """A card that `add` wrote has been edited since, and was kept under another name."""


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
    path = added_folder() / f"{name}.yaml"
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
    _write_card(card, path, force=force)
    return card, path


def remove(name: str) -> Path:
    """Delete a card that `add` wrote; the weights file stays, and so does an edited card, under another name.

    The card is not read, so that a broken one, or one whose name another model has taken since, can be removed too.

    Args:
        name: The model's name.

    Returns:
        The file that was deleted or renamed.

    Raises:
        UnknownNameError: If `add` wrote no such card.
        OutputError: If the operating system refuses.
    """
    path = added_folder() / f"{name}.yaml"
    if Path(name).name != name or not is_file(path):
        raise unknown_name("model of 'zoo add'", name, [card.stem for card in added_folder().glob("*.yaml")])
    try:
        with locked(path):
            _keep_edited(path)
            path.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(path, error) from error
    return path


def _keep_edited(path: Path) -> None:
    """Rename a card that is not as `add` wrote it, so that nothing is lost; a file that is as written stays."""
    seal, _, rest = path.read_bytes().partition(b"\n")
    if seal + b"\n" == _SEAL.format(hashlib.sha256(rest).hexdigest()).encode():
        return
    for number in range(1, _MOST_NAMES):
        aside = path.with_name(f"{path.name}.edited" + (f"-{number}" if number > 1 else ""))
        try:
            rename_new(path, aside)
        except FileExistsError:
            continue
        message = f"{path} is not as 'zoo add' wrote it: it is kept as {aside.name} in the same folder"
        warnings.warn(message, EditedCardWarning, stacklevel=3)
        return
    raise OutputError(f"{path} is not as 'zoo add' wrote it, and there are {_MOST_NAMES} others already: delete some")


def _write_card(card: Card, path: Path, *, force: bool) -> None:
    try:
        with locked(path), atomic_file(path) as partial:
            if path.exists() and not force:
                raise OutputError(f"there is a model {card.name} already: another process has added it meanwhile")
            text = dump_plain_yaml({"models": [_as_yaml(card)]}).encode()
            partial.write_bytes(_SEAL.format(hashlib.sha256(text).hexdigest()).encode() + text)
            if path.exists():
                _keep_edited(path)
    except OSError as error:
        raise output_error(path, error) from error


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
