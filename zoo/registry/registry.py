"""The registry: all model cards, from the built-in file, from plugins and from the user's files.

pydantic validates all files but the built-in one, which the tests validate: importing pydantic would make every listing
slow.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo._utils.paths import config_folder
from zoo.core.channels import MAX_SIDE
from zoo.core.class_names import parse_class_names
from zoo.errors import CardError, UnknownNameError, unknown_name
from zoo.plugins.discovery import load_plugins
from zoo.plugins.manager import Plugins, index_by_name
from zoo.plugins.skipped import warn_skipped
from zoo.registry.cards import Card, Licence, Weights
from zoo.registry.plain_yaml import load_plain_yaml
from zoo.registry.sources import Source

if TYPE_CHECKING:
    from pydantic import TypeAdapter

# The largest sizes that a card may claim. They cost memory and time before its weights are there to be compared with.
_LIMITS = {"resolution": MAX_SIDE, "dim": 2**20, "layers": 1000}


@dataclass(frozen=True)
class Installation:
    """The plugins of this installation, and the model cards. The cards are read on first use.

    Attributes:
        plugins: what the installed plugins contribute.
        extra: registry files to read beside the built-in one, those of plugins, and the user's own.

    """

    plugins: Plugins
    extra: tuple[Path, ...] = ()

    @cached_property
    def registry(self) -> Registry:
        """All cards. Raises `CardError` or `PluginError`."""
        return load_registry(self.plugins, self.extra)


def load_installation(extra: Iterable[str | Path] = ()) -> Installation:
    """Load the plugins.

    Args:
        extra: registry files to read beside those that are always read.

    Returns:
        The plugins and cards.

    Raises:
        PluginError: ``ZOO_PLUGINS`` cannot be read, or a plugin fails and ``ZOO_STRICT_PLUGINS`` is set.

    """
    return Installation(load_plugins(), tuple(Path(path) for path in extra))


@dataclass(frozen=True)
class Registry:
    """All model cards.

    Attributes:
        cards: the cards by full name.
        plugins: the plugins, which know of architectures without cards; None if they are not needed.

    """

    cards: Mapping[str, Card]
    plugins: Plugins | None = None

    def resolve(self, name: str) -> Card:
        """Find a card.

        Args:
            name: the full name of a model, or an architecture, which means its default model.

        Returns:
            The card.

        Raises:
            UnknownNameError: there is no such model.

        """
        if name in self.cards:
            return self.cards[name]
        family = [card for card in self.cards.values() if card.architecture == name]
        chosen = [card for card in family if card.default] or family[:1]
        if not chosen:
            raise self.unknown(name)
        return chosen[0]

    def unknown(self, name: str) -> UnknownNameError:
        """Build the error for a model that does not exist.

        Args:
            name: what was looked up.

        Returns:
            The error, to be raised by the caller. For an architecture without models it says how to add one.

        """
        architectures = {card.architecture for card in self.cards.values()}
        family = re.split(r"[.*?\[]", name)[0]
        if self.plugins and family in self.plugins.adapters and family not in architectures:
            return UnknownNameError(
                f"no model is called {name!r}: zoo knows the architecture {family}, but no weights for it; "
                f"add a file with 'zoo add FILE --name {family}.mine'"
            )
        return unknown_name("model", name, [*self.cards, *architectures])

    def match(self, pattern: str | None) -> list[Card]:
        """List cards, sorted by name.

        Args:
            pattern: a glob pattern of names, or the beginning of a name; None for all cards.

        Returns:
            The cards that match.

        """
        names = sorted(self.cards)
        if pattern is not None:
            glob = pattern if any(sign in pattern for sign in "*?[") else f"{pattern}*"
            names = [name for name in names if fnmatch.fnmatchcase(name, glob)]
        return [self.cards[name] for name in names]


def load_registry(plugins: Plugins, extra: Iterable[Path] = ()) -> Registry:
    """Read the built-in cards, those of plugins, the user's own, and those of `extra` files.

    Args:
        plugins: the installed plugins. A plugin's registry file that is wrong, or claims to have the default model of
            an architecture that has one, is skipped with a warning.
        extra: further registry files.

    Returns:
        The cards.

    Raises:
        CardError: a registry file of the user is wrong; the message names file, card and field.
        PluginError: two cards have the same name.

    """
    claims = [("zoo itself", card) for card in _built_in_cards()]
    for owner, path in plugins.registries:
        try:
            claimed = [*claims, *((owner, card) for card in read_cards(path))]
            _index_cards(claimed)
            claims = claimed
        except CardError as error:
            warn_skipped(f"the models of {owner} were skipped: {error}", error)
    claims += [(str(path), card) for path in (*own_files(), *extra) for card in read_cards(path)]
    cards = _index_cards(claims)
    return Registry(cards, plugins)


@cache
def _built_in_cards() -> tuple[Card, ...]:
    """Read zoo's own registry file, which does not change while a process runs."""
    return tuple(_build_unvalidated(fields) for fields in _read(built_in_file(), trusted=True))


def built_in_file() -> Path:
    """Return zoo's own registry file.

    Returns:
        The file in the package, or at the root of a checkout.

    """
    packaged = Path(__file__).parents[1] / "registry.yaml"
    return packaged if packaged.exists() else packaged.parents[1] / "registry.yaml"


def own_files() -> list[Path]:
    """List the user's own registry files.

    Returns:
        ``registry.yaml``, if the user wrote one, and a file for each model of ``zoo add``.

    Raises:
        CardError: the folder of settings cannot be read.

    """
    hand_written = config_folder() / "registry.yaml"
    try:
        files = [hand_written] if _is_there(hand_written) else []
        return files + (sorted(_yaml_files(added_folder())) if _is_there(added_folder()) else [])
    except OSError as error:
        raise CardError(
            f"cannot read the settings in {config_folder()}: {error.strerror}; ZOO_CONFIG names another folder"
        ) from None


def _is_there(path: Path) -> bool:
    """Look a path up. Raises `OSError` for one that cannot be looked up, such as one in a folder without permission."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    return True


def _yaml_files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix == ".yaml" and not path.name.startswith(".")]


def added_folder() -> Path:
    """Return where ``zoo add`` writes cards.

    Returns:
        The folder; it need not exist.

    """
    return config_folder() / "added"


def read_cards(path: Path) -> list[Card]:
    """Read and validate a registry file.

    Args:
        path: the file.

    Returns:
        Its cards.

    Raises:
        CardError: the file or a card is wrong; the message names the file, the card and the field.

    """
    return [_validate(path, index, fields) for index, fields in enumerate(_read(path))]


def _read(path: Path, *, trusted: bool = False) -> list[Any]:
    try:
        content = load_plain_yaml(path, trusted=trusted)
    except OSError as error:
        raise CardError(f"cannot read registry {path}: {error.strerror}") from None
    except ValueError as error:
        raise CardError(f"registry {path}: {error}") from None
    models = content.get("models") if isinstance(content, dict) else None
    if not isinstance(models, list):
        raise CardError(f"registry {path}: the file must hold 'models:', a list of cards")
    return models


@cache
def _card_type() -> TypeAdapter[Card]:
    """Return what validates cards; building it takes longer than validating a card, so it is built once."""
    from pydantic import TypeAdapter

    return TypeAdapter(Card)


def _validate(path: Path, index: int, fields: Any) -> Card:
    """Build a card with pydantic; `index` names a card without a name in the message."""
    from pydantic import ValidationError

    name = fields.get("name") if isinstance(fields, dict) else None
    label = name if isinstance(name, str) else f"number {index + 1}"
    try:
        card = _card_type().validate_python(_complete(fields, path) if isinstance(fields, dict) else fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the card"
        raise CardError(
            f"registry {path}, card {label}, field {where}: {first['msg'].removeprefix('Value error, ')}"
        ) from None
    for field, limit in _LIMITS.items():
        if getattr(card, field) > limit:
            raise CardError(
                f"registry {path}, card {label}, field {field}: {getattr(card, field):,} is above {limit:,}"
            )
    return card


def _complete(fields: dict[str, Any], path: Path) -> dict[str, Any]:
    """Add the file that a card is in, and replace the word ``imagenet`` by the names of the classes."""
    named = {"classes": parse_class_names(fields["classes"])} if fields.get("classes") == "imagenet" else {}
    return {**fields, **named, "file": path}


def _build_unvalidated(fields: dict[str, Any]) -> Card:
    """Build a card of the built-in file without pydantic; the tests validate that file."""
    weights = fields["weights"]
    sources = tuple(Source(**source) for source in weights["sources"])
    return Card(
        **{
            **fields,
            "classes": parse_class_names(fields.get("classes", ())),
            "weights": Weights(**{**weights, "sources": sources}),
            "licence": Licence(**fields["licence"]),
            "file": built_in_file(),
        }
    )


def _index_cards(claims: Iterable[tuple[str, Card]]) -> dict[str, Card]:
    """Index cards by name; names are claimed once, and an architecture has at most one default model."""
    cards = index_by_name("model", claims)
    defaults: dict[str, str] = {}
    for card in cards.values():
        if card.default and defaults.setdefault(card.architecture, card.name) != card.name:
            raise CardError(f"both {defaults[card.architecture]} and {card.name} claim to be the default")
    return cards
