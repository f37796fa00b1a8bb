"""What the shell proposes for a word that is being typed. It asks at each press of the key: torch is not imported."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import typer

from zoo.cli.console import Settings
from zoo.cli.help import words_by_name
from zoo.core.common_regions import COMMON_REGIONS
from zoo.core.layers import format_layers
from zoo.errors import ZooError

# A word and what it stands for, which zsh, fish and PowerShell show.
Proposals = list[tuple[str, str]]
# What typer calls: it is given the context and the beginning of the word.
Completer = Callable[[typer.Context, str], Proposals]


def words(*fixed: str) -> Completer:
    """Propose some of a few fixed words.

    Args:
        fixed: The words.

    Returns:
        What completes them.
    """

    def complete(context: typer.Context, incomplete: str) -> Proposals:
        return _beginning_with(incomplete, ((word, "") for word in fixed))

    return complete


def models(context: typer.Context, incomplete: str) -> Proposals:
    """Propose models; architectures too, each for its default model. Where none fits, shells propose files.

    Args:
        context: The context.
        incomplete: The beginning of the word.

    Returns:
        The models and their summaries.
    """
    return _propose(context, incomplete, _models)


def analyzers(context: typer.Context, incomplete: str) -> Proposals:
    """Propose analyses.

    Args:
        context: The context.
        incomplete: The beginning of the word.

    Returns:
        The analyses and their summaries.
    """
    return _propose(context, incomplete, lambda settings: _summaries(settings.installation.plugins.analyzers))


def scorers(context: typer.Context, incomplete: str) -> Proposals:
    """Propose scorers.

    Args:
        context: The context.
        incomplete: The beginning of the word.

    Returns:
        The scorers and their summaries.
    """
    return _propose(context, incomplete, lambda settings: _summaries(settings.installation.plugins.scorers))


def projectors(context: typer.Context, incomplete: str) -> Proposals:
    """Propose projectors.

    Args:
        context: The context.
        incomplete: The beginning of the word.

    Returns:
        The projectors and their summaries.
    """
    return _propose(context, incomplete, lambda settings: _summaries(settings.installation.plugins.projectors))


def names(context: typer.Context, incomplete: str) -> Proposals:
    """Propose whatever `zoo info` can describe.

    Args:
        context: The context.
        incomplete: The beginning of the word.

    Returns:
        Models, architectures, analyses, scorers and projectors, with their summaries.
    """
    return _propose(context, incomplete, _names)


def regions(context: typer.Context, incomplete: str) -> Proposals:
    """Propose regions that every model has, and those of the model that was named; after ``+`` one more of them.

    Args:
        context: The context, which knows the model where that stands before.
        incomplete: The beginning of the word.

    Returns:
        The regions, and what they are.
    """
    before, sign, last = incomplete.rpartition("+")
    model = words_by_name(context).get("model")

    def known(settings: Settings) -> Proposals:
        try:
            own = settings.installation.registry.resolve(str(model)).regions
        except ZooError:  # no model yet, or a weights file
            own = {}
        return [*own.items(), *COMMON_REGIONS.items()]

    return [(f"{before}{sign}{region}", text) for region, text in _propose(context, last, known)]


def layers(context: typer.Context, incomplete: str) -> Proposals:
    """Propose names of layers, where the card of the model that was named tells them; after a comma one more of them.

    Args:
        context: The context, which knows the model where that stands before.
        incomplete: The beginning of the word.

    Returns:
        The names, and the layers that each stands for.
    """
    before, comma, last = incomplete.rpartition(",")
    model = words_by_name(context).get("model")

    def known(settings: Settings) -> Proposals:
        card = settings.installation.registry.resolve(str(model))
        adapter = settings.installation.plugins.adapter(card.adapter)
        named = adapter.name_layers(card.space, card.layers, *card.size)
        return [(name, f"layers {format_layers(rows)}") for name, rows in named.items()]

    return [(f"{before}{comma}{name}", text) for name, text in _propose(context, last, known)]


def subjects(context: typer.Context, incomplete: str) -> Proposals:
    """Propose what `zoo check` can check of the kind that was named.

    Args:
        context: The context, which knows the kind.
        incomplete: The beginning of the word.

    Returns:
        The names and their summaries.
    """
    kind = words_by_name(context).get("kind")

    def known(settings: Settings) -> Proposals:
        if kind == "card":
            return _models(settings)
        return _summaries(getattr(settings.installation.plugins, f"{kind}s", {}))

    return _propose(context, incomplete, known)


def _propose(
    context: typer.Context, incomplete: str, known: Callable[[Settings], Iterable[tuple[str, str]]]
) -> Proposals:
    """Propose what is known and fits. What cannot be read is told when the command runs, not while it is typed."""
    try:
        return _beginning_with(incomplete, known(context.obj))
    except ZooError:
        return []


def _beginning_with(incomplete: str, proposals: Iterable[tuple[str, str]]) -> Proposals:
    return [(word, text) for word, text in proposals if word.startswith(incomplete)]


def _models(settings: Settings) -> Proposals:
    cards = settings.installation.registry.cards
    defaults = {card.architecture: f"{card.name}: {card.summary}" for card in cards.values() if card.default}
    return [*sorted((name, card.summary) for name, card in cards.items()), *sorted(defaults.items())]


def _names(settings: Settings) -> Proposals:
    plugins = settings.installation.plugins
    return [
        *_models(settings),
        *_summaries(plugins.analyzers),
        *_summaries(plugins.scorers),
        *_summaries(plugins.projectors),
        *((f"adapter:{name}", text) for name, text in _summaries(plugins.adapters)),
    ]


def _summaries(entries: Any) -> Proposals:
    return [(name, entry.summary) for name, entry in sorted(entries.items())]
