"""What the page is told of models: the list of them, and everything about an open one."""

from __future__ import annotations

import shlex
from typing import Any

from zoo._version import __version__
from zoo.core.common_regions import COMMON_REGIONS
from zoo.core.region import Region
from zoo.errors import RegionError, UnknownNameError
from zoo.models.model import Model
from zoo.plugins.entries import ScorerPlugin
from zoo.registry.alignment import NONE
from zoo.registry.cards import Card
from zoo.registry.registry import Installation
from zoo.report.plots import outline_path
from zoo.scoring.choosing import fitting_scorers
from zoo.studio.shown.forms import fields_of
from zoo.studio.shown.opened import OpenModels
from zoo.weights.cache import status

_WHERE = {"local": "on this computer", "cached": "downloaded"}


def list_models(models: OpenModels) -> list[dict[str, Any]]:
    """List the models that can be opened, with their licences.

    Args:
        models: The models.

    Returns:
        What is known of each; a file that the studio was started with comes first.
    """
    cards = [(card.name, card) for card in models.installation.registry.match(None)]
    if models.started_with is not None and all(name != models.started_with for name, _ in cards):
        cards.insert(0, (models.started_with, models.card(models.started_with)))
    return [_describe_card(name, card) for name, card in cards]


def _describe_card(name: str, card: Card) -> dict[str, Any]:
    return {
        "name": name,
        "family": card.adapter,
        "summary": card.summary,
        "resolution": card.resolution,
        "pixels": card.pixels,
        "licence": {"name": card.licence.short, "text": card.terms, "url": None},
        "where": _where(card),
    }


def _where(card: Card) -> str:
    found = status(card)
    if any(source.scheme == "bundled" for source in card.weights.sources):
        return "in zoo"
    if found == "by hand":
        return f"by hand: {card.weights.obtain}"
    size = f" {card.weights.size / 1e6:.0f} MB" if card.weights.size else ""
    return _WHERE.get(found, f"download{size}")


def describe_model(model: Model, installation: Installation) -> dict[str, Any]:
    """Tell everything that the page needs of an open model.

    Args:
        model: The model.
        installation: The plugins.

    Returns:
        Plain values.
    """
    adapter, card = model.adapter, model.card
    entry = installation.plugins.adapter(card.adapter)
    space = None if model.opening.space is None else adapter.space.name
    return {
        "model": model.opening.name,
        "resolution": list(adapter.resolution),
        "channels": adapter.channels,
        "classes": list(adapter.classes),
        "space": adapter.space.name,
        "spaces": list(dict.fromkeys([adapter.space.name, *entry.spaces])),
        "rows": adapter.space.layers,
        "row_groups": {name: list(rows) for name, rows in adapter.layer_names().items()},
        "truncation": True,
        "regions": _regions(model),
        "scorers": _scorers(card, installation),
        "aligned": None if card.alignment == NONE else card.alignment.partition(":")[0],
        "command": shlex.join(["zoo", "sample", model.opening.name]),
        "analyzers": [
            {
                "name": plugin.name,
                "summary": plugin.summary,
                "needs_region": plugin.local,
                "needs_codes": "derivative" in plugin.requires,
                "obstacle": plugin.obstacle(entry, space),
                "options": fields_of(plugin.schema()),
            }
            for _, plugin in sorted(installation.plugins.analyzers.items())
        ],
        "version": __version__,
        "device": str(adapter.device),
    }


def _scorers(card: Card, installation: Installation) -> list[dict[str, Any]]:
    """Describe the scorers that may name directions; `usual` are those that do where none is chosen."""
    plugins = installation.plugins.scorers
    usual = fitting_scorers(card, plugins)
    return [
        {
            "name": name,
            "summary": plugin.summary,
            "usual": name in usual,
            "takes_words": "words" in plugin.schema().model_fields,
        }
        for name, plugin in sorted(plugins.items())
        if name in usual or _may_fit(plugin, card)
    ]


def _may_fit(plugin: ScorerPlugin, card: Card) -> bool:
    try:
        return plugin.build().fits(card)
    except Exception:  # of a plugin; where it is chosen all the same, its error is told
        return False


def _regions(model: Model) -> list[dict[str, Any]]:
    """Describe the regions that have names; one of a card that does not fit the model is left out."""
    described = []
    for name in [*model.card.regions, *COMMON_REGIONS]:
        try:
            described.append({"name": name, **describe_region(model.region(name, opens_files=False))})
        except (RegionError, UnknownNameError):
            continue
    return described


def describe_region(region: Region) -> dict[str, Any]:
    """Tell where a region is.

    Args:
        region: The region.

    Returns:
        Its outline as the path of an SVG in pixels, and its share of the image.
    """
    return {"outline": outline_path(region.mask), "share": round(float(region.mask.mean()), 5)}
