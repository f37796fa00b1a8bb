"""The registry: all model cards, from the built-in file, from plugins and from the user's files."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from zoo.errors import CardError, UnknownNameError, unknown_name
from zoo.plugins.discovery import load_plugins
from zoo.plugins.manager import Plugins, index_by_name
from zoo.plugins.skipped import warn_skipped
from zoo.registry.card_files import built_in_cards, own_files, read_cards
from zoo.registry.cards import Card


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
    claims = [("zoo itself", card) for card in built_in_cards()]
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


def _index_cards(claims: Iterable[tuple[str, Card]]) -> dict[str, Card]:
    """Index cards by name; names are claimed once, and an architecture has at most one default model."""
    cards = index_by_name("model", claims)
    defaults: dict[str, str] = {}
    for card in cards.values():
        if card.default and defaults.setdefault(card.architecture, card.name) != card.name:
            raise CardError(f"both {defaults[card.architecture]} and {card.name} claim to be the default")
    return cards
