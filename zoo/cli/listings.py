"""What `zoo list` and `zoo info` say of what is installed, as values: texts, numbers, lists. Nothing imports torch."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from zoo.core.common_regions import COMMON_REGIONS
from zoo.errors import unknown_name
from zoo.plugins.entries import AdapterPlugin, AnalyzerPlugin, ProjectorPlugin
from zoo.registry.cards import Card
from zoo.registry.registry import Installation

# Something listed, by the names of its facts.
Values = dict[str, Any]


def models(installation: Installation, pattern: str | None) -> list[Values]:
    """List models.

    Args:
        installation: What is installed.
        pattern: A pattern of names, or the beginning of one; None is all.

    Returns:
        The models, sorted by name.

    Raises:
        UnknownNameError: If none matches.
    """
    cards = installation.registry.match(pattern)
    if not cards and pattern is not None:
        raise installation.registry.unknown(pattern)
    return [describe_card(card) for card in cards]


def adapters(installation: Installation) -> list[Values]:
    """List the architectures, sorted by name."""
    return [
        {
            "name": entry.name,
            "summary": entry.summary,
            "provides": sorted(entry.provides),
            "spaces": {space: sorted(capabilities) for space, capabilities in entry.spaces.items()},
        }
        for _, entry in sorted(installation.plugins.adapters.items())
    ]


def analyzers(installation: Installation) -> list[Values]:
    """List the analyses, sorted by name."""
    return [
        {"name": entry.name, "summary": entry.summary, "requires": sorted(entry.requires), "local": entry.local}
        for _, entry in sorted(installation.plugins.analyzers.items())
    ]


def scorers(installation: Installation) -> list[Values]:
    """List the scorers, sorted by name."""
    return [
        {"name": entry.name, "summary": entry.summary, "attributes": list(entry.names)}
        for _, entry in sorted(installation.plugins.scorers.items())
    ]


def projectors(installation: Installation) -> list[Values]:
    """List the projectors of plugins, sorted by name; zoo's own search is none of them."""
    return [
        {"name": entry.name, "summary": entry.summary} for _, entry in sorted(installation.plugins.projectors.items())
    ]


def matrix(installation: Installation) -> list[Values]:
    """Tell which analysis runs on which architecture: for each analysis what keeps it from it, or None."""
    analyses = sorted(installation.plugins.analyzers.items())
    return [
        {
            "adapter": entry.name,
            "space": space,
            "obstacles": {name: analyzer.obstacle(entry, space) for name, analyzer in analyses},
        }
        for _, entry in sorted(installation.plugins.adapters.items())
        for space in (None, *entry.spaces)
    ]


def describe(installation: Installation, name: str) -> Values:
    """Tell everything about what a name, or ``KIND:NAME``, means.

    Args:
        installation: What is installed.
        name: The name. A model precedes the architecture of the same name.

    Returns:
        The facts. The first says of which kind it is.

    Raises:
        UnknownNameError: If there is no such thing.
    """
    described: dict[str, Callable[[Installation, str], Values]] = {
        "model": _describe_model,
        "adapter": _describe_adapter,
        "analyzer": _describe_analyzer,
        "scorer": _describe_scorer,
        "projector": _describe_projector,
    }
    kind, colon, bare_name = name.partition(":")
    if colon:
        if kind not in described:
            raise unknown_name("kind of thing", kind, described)
        return described[kind](installation, bare_name)
    cards, plugins = installation.registry.cards, installation.plugins
    names: dict[str, Collection[str]] = {
        "model": {*cards, *(card.architecture for card in cards.values())},
        "adapter": plugins.adapters,
        "analyzer": plugins.analyzers,
        "scorer": plugins.scorers,
        "projector": plugins.projectors,
    }
    kinds = [kind for kind in described if name in names[kind]]
    if not kinds:
        known = [*cards, *plugins.adapters, *plugins.analyzers, *plugins.scorers, *plugins.projectors]
        raise unknown_name("model, adapter, analyzer, scorer or projector", name, known)
    facts = described[kinds[0]](installation, name)
    return {**facts, "see_also": f"adapter:{name}"} if kinds[:2] == ["model", "adapter"] else facts


def describe_card(card: Card) -> Values:
    """Tell what `zoo list` shows of a model.

    Args:
        card: Its card.

    Returns:
        The facts.
    """
    from zoo.weights.cache import status

    return {
        "name": card.name,
        "summary": card.summary,
        "default": card.default,
        "adapter": card.adapter,
        "resolution": card.resolution,
        "width": card.size[1],
        "channels": card.channels,
        "space": card.space,
        "layers": card.layers,
        "dim": card.dim,
        "classes": len(card.classes),
        "licence": {"short": card.licence.short, "weights": card.licence.weights, "data": card.licence.data},
        "where": status(card),
    }


def _describe_model(installation: Installation, name: str) -> Values:
    from zoo.weights.known_hashes import expected_sha256

    card = installation.registry.resolve(name)
    adapter = installation.plugins.adapter(card.adapter)
    weights = card.weights
    return {
        "kind": "model",
        **describe_card(card),
        "layer_names": {
            name: list(rows) for name, rows in adapter.name_layers(card.space, card.layers, *card.size).items()
        },
        "classes": list(card.classes),
        "dataset": card.dataset,
        "origin": card.origin,
        "paper": card.paper,
        "sources": [source.shown for source in weights.sources],
        "obtain": weights.obtain,
        "sha256": weights.sha256,
        "remembered_sha256": None if weights.sha256 else expected_sha256(card),
        "bytes": weights.size,
        "verified": weights.verified,
        "regions": dict(card.regions),
        "common_regions": list(COMMON_REGIONS),
        "alignment": card.alignment,
        "obstacles": {
            analyzer.name: analyzer.obstacle(adapter) for analyzer in installation.plugins.analyzers.values()
        },
    }


def _describe_adapter(installation: Installation, name: str) -> Values:
    entry = installation.plugins.adapter(name)
    return {
        "kind": "adapter",
        "name": entry.name,
        "summary": entry.summary,
        "provides": sorted(entry.provides),
        "spaces": {space: sorted(capabilities) for space, capabilities in entry.spaces.items()},
        "options": _describe_options(entry),
        "models": [card.name for card in installation.registry.cards.values() if card.adapter == name],
    }


def _describe_analyzer(installation: Installation, name: str) -> Values:
    entry = installation.plugins.analyzer(name)
    return {
        "kind": "analyzer",
        "name": entry.name,
        "summary": entry.summary,
        "requires": sorted(entry.requires),
        "local": entry.local,
        "options": _describe_options(entry),
    }


def _describe_scorer(installation: Installation, name: str) -> Values:
    entry = installation.plugins.scorer(name)
    values_of: dict[str, list[str]] = {attribute: [] for attribute in entry.names}
    for column in entry.attributes:
        attribute, _, value = column.partition("=")
        values_of[attribute] += [value] if value else []
    return {"kind": "scorer", "name": entry.name, "summary": entry.summary, "attributes": values_of}


def _describe_projector(installation: Installation, name: str) -> Values:
    entry = installation.plugins.projector(name)
    return {
        "kind": "projector",
        "name": entry.name,
        "summary": entry.summary,
        "options": _describe_options(entry),
    }


def _describe_options(entry: AdapterPlugin | AnalyzerPlugin | ProjectorPlugin) -> list[Values]:
    from zoo.core.options import describe_options

    return [
        {"name": name, "default": default, "meaning": text} for name, default, text in describe_options(entry.schema())
    ]
