"""Commands that look things up, and import torch for nothing but a weights file: list, info, plugins."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.markup import escape

from zoo.cli.console import Settings, progress_bars, table
from zoo.core.common_regions import COMMON_REGIONS
from zoo.errors import few_names, unknown_name
from zoo.plugins.entries import AdapterPlugin, AnalyzerPlugin, ScorerPlugin
from zoo.registry.cards import Card, is_file_name


def list_(
    context: typer.Context,
    pattern: Annotated[str | None, typer.Argument(help="Show only models that match, such as 'dcgan*'.")] = None,
    adapters: Annotated[bool, typer.Option("--adapters", help="List architectures instead.")] = False,
    analyzers: Annotated[bool, typer.Option("--analyzers", help="List analyses instead.")] = False,
    scorers: Annotated[bool, typer.Option("--scorers", help="List predictors of attributes instead.")] = False,
    matrix: Annotated[bool, typer.Option("--matrix", help="Show which analysis runs on which architecture.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List models, architectures, analyses or scorers."""
    settings: Settings = context.obj
    if matrix:
        columns, rows = _matrix(settings)
    elif adapters:
        columns, rows = ["adapter", "provides", "summary"], _adapters(settings)
    elif analyzers:
        columns, rows = ["analyzer", "requires", "summary"], _analyzers(settings)
    elif scorers:
        columns, rows = ["scorer", "attributes", "summary"], _scorers(settings)
    else:
        columns, rows = (
            ["model", "adapter", "size", "space", "licence of the weights", "where"],
            _models(settings, pattern),
        )
    if as_json:
        print(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], indent=2))
        return
    settings.console.print(table(columns, [[escape(cell) for cell in row] for row in rows], right=["size"]))


def info(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(help="A model, adapter, analyzer, scorer or weights file; or 'adapter:dcgan'.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show everything known of a model, an architecture, an analysis, a scorer or a weights file."""
    settings: Settings = context.obj
    facts = _facts(settings, name)
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    rows = [(key, escape(line)) for key, value in facts.items() for line in _lines(value)]
    shown = [("" if index and rows[index - 1][0] == key else key, line) for index, (key, line) in enumerate(rows)]
    settings.console.print(table(["", ""], shown))


def plugins(context: typer.Context) -> None:
    """Show the plugins that are installed, and those that had to be skipped."""
    settings: Settings = context.obj
    rows = [
        (
            found.module,
            found.distribution,
            found.version,
            ".".join(map(str, found.contract or ())),
            f"{1000 * found.seconds:.0f} ms",
            ", ".join(found.hooks),
            escape(found.error or ""),
        )
        for found in settings.installation.plugins.infos
    ]
    columns = ["plugin", "distribution", "version", "contract", "import", "hooks", "error"]
    settings.console.print(table(columns, rows, right=["import"]))


COMMANDS: dict[str, Callable[..., None]] = {"list": list_, "info": info, "plugins": plugins}


def _models(settings: Settings, pattern: str | None) -> list[list[str]]:
    from zoo.weights.cache import status

    cards = settings.installation.registry.match(pattern)
    if not cards and pattern is not None:
        raise settings.installation.registry.unknown(pattern)
    return [
        [
            card.name + (" (default)" if card.default else ""),
            card.adapter,
            f"{card.resolution}²",
            card.codes + (f", {len(card.classes)} classes" if card.classes else ""),
            card.licence.weights,
            status(card),
        ]
        for card in cards
    ]


def _adapters(settings: Settings) -> list[list[str]]:
    entries = sorted(settings.installation.plugins.adapters.values(), key=lambda entry: entry.name)
    return [[entry.name, ", ".join(sorted(entry.provides)), entry.summary] for entry in entries]


def _analyzers(settings: Settings) -> list[list[str]]:
    entries = sorted(settings.installation.plugins.analyzers.values(), key=lambda entry: entry.name)
    return [[entry.name, ", ".join(sorted(entry.requires)), entry.summary] for entry in entries]


def _scorers(settings: Settings) -> list[list[str]]:
    entries = sorted(settings.installation.plugins.scorers.values(), key=lambda entry: entry.name)
    return [[entry.name, ", ".join(entry.names), entry.summary] for entry in entries]


def _matrix(settings: Settings) -> tuple[list[str], list[list[str]]]:
    analyzers = sorted(settings.installation.plugins.analyzers.values(), key=lambda entry: entry.name)
    adapters = sorted(settings.installation.plugins.adapters.values(), key=lambda entry: entry.name)
    rows = [
        [
            adapter.name + (f" in {space}" if space else ""),
            *(one.obstacle(adapter, space) or "yes" for one in analyzers),
        ]
        for adapter in adapters
        for space in (None, *adapter.spaces)
    ]
    return ["adapter", *(analyzer.name for analyzer in analyzers)], rows


def _facts(settings: Settings, name: str) -> dict[str, Any]:
    if is_file_name(name):
        return _file_facts(settings, name)
    kind, colon, bare = name.partition(":")
    lookups = {
        "model": _model_facts,
        "adapter": _adapter_facts,
        "analyzer": _analyzer_facts,
        "scorer": _scorer_facts,
    }
    if colon:
        if kind not in lookups:
            raise unknown_name("kind of thing", kind, lookups)
        return lookups[kind](settings, bare)
    registry, found = settings.installation.registry, settings.installation.plugins
    architectures = {card.architecture for card in registry.cards.values()}
    if name in registry.cards or name in architectures:
        facts = _model_facts(settings, name)
        if name in found.adapters:
            facts["see also"] = f"zoo info adapter:{name}"
        return facts
    if name in found.adapters:
        return _adapter_facts(settings, name)
    if name in found.analyzers:
        return _analyzer_facts(settings, name)
    if name in found.scorers:
        return _scorer_facts(settings, name)
    known = [*registry.cards, *found.adapters, *found.analyzers, *found.scorers]
    raise unknown_name("model, adapter, analyzer or scorer", name, known)


def _file_facts(settings: Settings, name: str) -> dict[str, Any]:
    """Read a weights file and say what it is; this alone, of all lookups, needs torch."""
    from zoo.models.export import inspect_file

    with progress_bars(settings) as progress:
        return dict(inspect_file(name, settings.installation, progress=progress).facts())


def _model_facts(settings: Settings, name: str) -> dict[str, Any]:
    from zoo.weights.cache import status

    card = settings.installation.registry.resolve(name)
    return {
        "model": card.name,
        "summary": card.summary,
        "adapter": card.adapter,
        "resolution": f"{card.resolution} x {card.resolution}",
        "space": card.codes,
        "classes": few_names(card.classes),
        "licence of the weights": card.licence.weights,
        "licence of the data": card.licence.data or "not stated",
        "data set": card.dataset or "not stated",
        "origin": card.origin or "not stated",
        "paper": card.paper or "not stated",
        "weights": status(card),
        "sources": [source.shown for source in card.weights.sources] or f"by hand: {card.weights.obtain}",
        "sha256": card.weights.sha256 or _unpinned(card),
        "size": f"{card.weights.size / 2**20:.1f} MiB" if card.weights.size else "unknown",
        "verified": "yes" if card.weights.verified else "no: nobody has checked the file behind this card",
        "regions": [f"{region} = {text}" for region, text in card.regions.items()],
        "common regions": ", ".join(COMMON_REGIONS),
        "analyzers": [
            f"{analyzer.name}: {analyzer.obstacle(settings.installation.plugins.adapter(card.adapter)) or 'yes'}"
            for analyzer in settings.installation.plugins.analyzers.values()
        ],
    }


def _unpinned(card: Card) -> str:
    from zoo.weights.known_hashes import expected_sha256

    known = expected_sha256(card)
    return f"not in the card; {known} is remembered from the first fetch" if known else "not pinned"


def _adapter_facts(settings: Settings, name: str) -> dict[str, Any]:
    entry: AdapterPlugin = settings.installation.plugins.adapter(name)
    cards = settings.installation.registry.cards.values()
    return {
        "adapter": entry.name,
        "summary": entry.summary,
        "provides": sorted(entry.provides),
        **{f"provides in {space}": sorted(words) for space, words in entry.spaces.items()},
        "options": _options(entry),
        "models": [card.name for card in cards if card.adapter == name]
        or f"none: bring a weights file by 'zoo add FILE --name {name}.mine'",
    }


def _analyzer_facts(settings: Settings, name: str) -> dict[str, Any]:
    entry: AnalyzerPlugin = settings.installation.plugins.analyzer(name)
    return {
        "analyzer": entry.name,
        "summary": entry.summary,
        "requires": sorted(entry.requires) or "nothing",
        "region": "one with a complement, never the whole image" if entry.local else "any",
        "options": _options(entry),
    }


def _scorer_facts(settings: Settings, name: str) -> dict[str, Any]:
    entry: ScorerPlugin = settings.installation.plugins.scorer(name)
    values = {attribute: [] for attribute in entry.names}  # type: dict[str, list[str]]
    for column in entry.attributes:
        attribute, _, value = column.partition("=")
        values[attribute] += [value] if value else []
    return {
        "scorer": entry.name,
        "summary": entry.summary,
        "attributes": [
            f"{attribute}: {', '.join(found)}" if found else attribute for attribute, found in values.items()
        ],
    }


def _options(entry: AdapterPlugin | AnalyzerPlugin) -> list[str] | str:
    from zoo.core.options import describe_options

    return [f"{name} = {default}: {text}" for name, default, text in describe_options(entry.schema())] or "none"


def _lines(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
