"""The registry: every model card, from the built-in file, from plugins and from files that the user names.

pydantic validates every file but the built-in one: that one the tests validate, so that listing it is quick.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from zoo._utils.paths import config_folder
from zoo.core.class_names import parse_class_names
from zoo.errors import CardError, UnknownNameError, unknown_name
from zoo.plugins.discovery import load_plugins
from zoo.plugins.manager import Plugins, index_by_name
from zoo.plugins.skipped import warn_skipped
from zoo.registry.cards import Card, Licence, Source, Weights


@dataclass(frozen=True)
class Installation:
    """The plugins of this installation, and the cards that they and `extra` files lead to, read on first use."""

    plugins: Plugins
    extra: tuple[Path, ...] = ()

    @cached_property
    def registry(self) -> Registry:
        """Every card. Raises `CardError`, `PluginError`."""
        return load_registry(self.plugins, self.extra)


def load_installation(extra: Iterable[str | Path] = ()) -> Installation:
    """Find the plugins, and the registry files beside the built-in one."""
    return Installation(load_plugins(), tuple(Path(path) for path in extra))


@dataclass(frozen=True)
class Registry:
    """Every card, by full name; the plugins tell which architectures have none."""

    cards: Mapping[str, Card]
    plugins: Plugins | None = None

    def resolve(self, name: str) -> Card:
        """Find a card by its full name, or by its architecture alone: then the default one.

        Raises `UnknownNameError`.
        """
        if name in self.cards:
            return self.cards[name]
        family = [card for card in self.cards.values() if card.architecture == name]
        chosen = [card for card in family if card.default] or family[:1]
        if not chosen:
            raise self.unknown(name)
        return chosen[0]

    def unknown(self, name: str) -> UnknownNameError:
        """Build the error for a model that there is not; of an architecture without models it says how to get one."""
        architectures = {card.architecture for card in self.cards.values()}
        family = re.split(r"[.*?\[]", name)[0]
        if self.plugins and family in self.plugins.adapters and family not in architectures:
            return UnknownNameError(
                f"no model is called {name!r}: zoo knows the architecture {family}, but no weights of it; "
                f"bring a file by 'zoo add FILE --name {family}.mine'"
            )
        return unknown_name("model", name, [*self.cards, *architectures])

    def match(self, pattern: str | None) -> list[Card]:
        """List the cards whose names match a glob pattern, by name; all of them without one."""
        names = sorted(self.cards)
        if pattern is not None:
            wide = pattern if any(sign in pattern for sign in "*?[") else f"{pattern}*"
            names = [name for name in names if fnmatch.fnmatchcase(name, wide)]
        return [self.cards[name] for name in names]


def load_registry(plugins: Plugins, extra: Iterable[Path] = ()) -> Registry:
    """Read the built-in cards, those of plugins, the user's own, and those of `extra` files.

    Raises `CardError` naming file, card and field; `PluginError` when a name is claimed twice.
    """
    claims = [("zoo itself", _trusted(fields)) for fields in _read(built_in_file())]
    for owner, path in plugins.registries:
        try:
            claims += [(owner, card) for card in read_cards(path)]
        except CardError as error:
            warn_skipped(f"the models of {owner} were skipped: {error}", error)
    claims += [(str(path), card) for path in (*own_files(), *extra) for card in read_cards(path)]
    cards = index_by_name("model", claims)
    _one_default(cards.values())
    return Registry(cards, plugins)


def built_in_file() -> Path:
    """Return the registry file that comes with zoo: inside the package, or at the root of a checkout."""
    packaged = Path(__file__).parents[1] / "registry.yaml"
    return packaged if packaged.exists() else packaged.parents[1] / "registry.yaml"


def own_files() -> list[Path]:
    """List the user's registry files: ``registry.yaml``, written by hand, and one for each model of ``zoo add``."""
    hand_written = config_folder() / "registry.yaml"
    return [hand_written] * hand_written.exists() + sorted(added_folder().glob("*.yaml"))


def added_folder() -> Path:
    """Return the folder of the cards that ``zoo add`` writes."""
    return config_folder() / "added"


def read_cards(path: Path) -> list[Card]:
    """Read and validate one registry file. Raises `CardError` naming the file, the card and the field."""
    return [_validated(path, index, fields) for index, fields in enumerate(_read(path))]


def _read(path: Path) -> list[Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise CardError(f"cannot read registry {path}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CardError(f"registry {path} is not YAML: {' '.join(str(error).split())}") from None
    models = content.get("models") if isinstance(content, dict) else None
    if not isinstance(models, list):
        raise CardError(f"registry {path}: the file must hold 'models:', a list of cards")
    return models


def _validated(path: Path, index: int, fields: Any) -> Card:
    from pydantic import TypeAdapter, ValidationError

    name = fields.get("name") if isinstance(fields, dict) else None
    label = name if isinstance(name, str) else f"number {index + 1}"
    try:
        return TypeAdapter(Card).validate_python(_written(fields, path) if isinstance(fields, dict) else fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the card"
        raise CardError(
            f"registry {path}, card {label}, field {where}: {first['msg'].removeprefix('Value error, ')}"
        ) from None


def _written(fields: dict[str, Any], path: Path) -> dict[str, Any]:
    """Complete the fields of a card: the file they stand in, and the names of classes that a word stands for."""
    named = {"classes": parse_class_names(fields["classes"])} if fields.get("classes") == "imagenet" else {}
    return {**fields, **named, "file": path}


def _trusted(fields: dict[str, Any]) -> Card:
    """Build a card of the built-in file without pydantic."""
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


def _one_default(cards: Iterable[Card]) -> None:
    defaults: dict[str, str] = {}
    for card in cards:
        if card.default and defaults.setdefault(card.architecture, card.name) != card.name:
            raise CardError(f"both {defaults[card.architecture]} and {card.name} claim to be the default")
