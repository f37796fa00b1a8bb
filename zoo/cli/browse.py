"""Commands that look things up: list, info, plugins. They do not import torch, except `info` of a weights file."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Annotated, Any

import typer
from rich.markup import escape

from zoo.cli.console import Settings, progress_bars, table
from zoo.core.common_regions import COMMON_REGIONS
from zoo.errors import few_names, unknown_name
from zoo.plugins.entries import AdapterPlugin, AnalyzerPlugin, ScorerPlugin
from zoo.registry.cards import Card, is_file_name
from zoo.registry.registry import Installation


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
        columns, rows = _matrix_table(settings.installation)
    elif adapters:
        columns, rows = _adapter_table(settings.installation)
    elif analyzers:
        columns, rows = _analyzer_table(settings.installation)
    elif scorers:
        columns, rows = _scorer_table(settings.installation)
    else:
        columns, rows = _model_table(settings.installation, pattern)
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
    """Show everything known about a model, an architecture, an analysis, a scorer or a weights file."""
    settings: Settings = context.obj
    facts = _weights_file_facts(settings, name) if is_file_name(name) else _look_up(settings.installation, name)
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    rows: list[tuple[str, str]] = []
    for key, value in facts.items():
        lines = value if isinstance(value, list) else [value]
        rows += [(key if index == 0 else "", escape(str(line))) for index, line in enumerate(lines)]
    settings.console.print(table(["", ""], rows))


def plugins(context: typer.Context) -> None:
    """Show the installed plugins, and why any of them were skipped."""
    settings: Settings = context.obj
    rows = [
        (
            plugin.module,
            plugin.distribution,
            plugin.version,
            ".".join(map(str, plugin.contract or ())),
            f"{1000 * plugin.seconds:.0f} ms",
            ", ".join(plugin.hooks),
            escape(plugin.error or ""),
        )
        for plugin in settings.installation.plugins.infos
    ]
    columns = ["plugin", "distribution", "version", "contract", "import", "hooks", "error"]
    settings.console.print(table(columns, rows, right=["import"]))


def _model_table(installation: Installation, pattern: str | None) -> tuple[list[str], list[list[str]]]:
    from zoo.weights.cache import status

    cards = installation.registry.match(pattern)
    if not cards and pattern is not None:
        raise installation.registry.unknown(pattern)
    rows = [
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
    return ["model", "adapter", "size", "space", "licence of the weights", "where"], rows


def _adapter_table(installation: Installation) -> tuple[list[str], list[list[str]]]:
    entries = sorted(installation.plugins.adapters.values(), key=_name_of)
    rows = [[entry.name, ", ".join(sorted(entry.provides)), entry.summary] for entry in entries]
    return ["adapter", "provides", "summary"], rows


def _analyzer_table(installation: Installation) -> tuple[list[str], list[list[str]]]:
    entries = sorted(installation.plugins.analyzers.values(), key=_name_of)
    rows = [[entry.name, ", ".join(sorted(entry.requires)), entry.summary] for entry in entries]
    return ["analyzer", "requires", "summary"], rows


def _scorer_table(installation: Installation) -> tuple[list[str], list[list[str]]]:
    entries = sorted(installation.plugins.scorers.values(), key=_name_of)
    rows = [[entry.name, ", ".join(entry.names), entry.summary] for entry in entries]
    return ["scorer", "attributes", "summary"], rows


def _matrix_table(installation: Installation) -> tuple[list[str], list[list[str]]]:
    analyzers = sorted(installation.plugins.analyzers.values(), key=_name_of)
    adapters = sorted(installation.plugins.adapters.values(), key=_name_of)
    rows = [
        [
            adapter.name + (f" in {space}" if space else ""),
            *(analyzer.obstacle(adapter, space) or "yes" for analyzer in analyzers),
        ]
        for adapter in adapters
        for space in (None, *adapter.spaces)
    ]
    return ["adapter", *(analyzer.name for analyzer in analyzers)], rows


def _name_of(entry: AdapterPlugin | AnalyzerPlugin | ScorerPlugin) -> str:
    return entry.name


def _look_up(installation: Installation, name: str) -> dict[str, Any]:
    """Return the facts about what a name, or ``KIND:NAME``, means. A model precedes the adapter of the same name."""
    facts_of_kind: dict[str, Callable[[Installation, str], dict[str, Any]]] = {
        "model": _model_facts,
        "adapter": _adapter_facts,
        "analyzer": _analyzer_facts,
        "scorer": _scorer_facts,
    }
    kind, colon, bare_name = name.partition(":")
    if colon:
        if kind not in facts_of_kind:
            raise unknown_name("kind of thing", kind, facts_of_kind)
        return facts_of_kind[kind](installation, bare_name)
    cards = installation.registry.cards
    plugins = installation.plugins
    names: dict[str, Collection[str]] = {
        "model": {*cards, *(card.architecture for card in cards.values())},
        "adapter": plugins.adapters,
        "analyzer": plugins.analyzers,
        "scorer": plugins.scorers,
    }
    kinds = [kind for kind in facts_of_kind if name in names[kind]]
    if not kinds:
        known = [*cards, *plugins.adapters, *plugins.analyzers, *plugins.scorers]
        raise unknown_name("model, adapter, analyzer or scorer", name, known)
    facts = facts_of_kind[kinds[0]](installation, name)
    if kinds[:2] == ["model", "adapter"]:
        facts["see also"] = f"zoo info adapter:{name}"
    return facts


def _weights_file_facts(settings: Settings, name: str) -> dict[str, Any]:
    from zoo.models.export import inspect_file

    with progress_bars(settings) as progress:
        return dict(inspect_file(name, settings.installation, progress=progress).facts())


def _model_facts(installation: Installation, name: str) -> dict[str, Any]:
    from zoo.weights.cache import status

    card = installation.registry.resolve(name)
    adapter = installation.plugins.adapter(card.adapter)
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
        "sha256": card.weights.sha256 or _remembered_sha256(card),
        "size": f"{card.weights.size / 2**20:.1f} MiB" if card.weights.size else "unknown",
        "verified": "yes" if card.weights.verified else "no: nobody has checked the file behind this card",
        "regions": [f"{region} = {text}" for region, text in card.regions.items()],
        "common regions": ", ".join(COMMON_REGIONS),
        "analyzers": [
            f"{analyzer.name}: {analyzer.obstacle(adapter) or 'yes'}"
            for analyzer in installation.plugins.analyzers.values()
        ],
    }


def _remembered_sha256(card: Card) -> str:
    from zoo.weights.known_hashes import expected_sha256

    remembered = expected_sha256(card)
    return f"not in the card; {remembered} is remembered from the first fetch" if remembered else "not pinned"


def _adapter_facts(installation: Installation, name: str) -> dict[str, Any]:
    entry = installation.plugins.adapter(name)
    models = [card.name for card in installation.registry.cards.values() if card.adapter == name]
    return {
        "adapter": entry.name,
        "summary": entry.summary,
        "provides": sorted(entry.provides),
        **{f"provides in {space}": sorted(capabilities) for space, capabilities in entry.spaces.items()},
        "options": _describe_options(entry),
        "models": models or f"none: add a weights file with 'zoo add FILE --name {name}.mine'",
    }


def _analyzer_facts(installation: Installation, name: str) -> dict[str, Any]:
    entry = installation.plugins.analyzer(name)
    return {
        "analyzer": entry.name,
        "summary": entry.summary,
        "requires": sorted(entry.requires) or "nothing",
        "region": "one with a complement, never the whole image" if entry.local else "any",
        "options": _describe_options(entry),
    }


def _scorer_facts(installation: Installation, name: str) -> dict[str, Any]:
    entry = installation.plugins.scorer(name)
    values_of: dict[str, list[str]] = {attribute: [] for attribute in entry.names}
    for column in entry.attributes:
        attribute, _, value = column.partition("=")
        values_of[attribute] += [value] if value else []
    return {
        "scorer": entry.name,
        "summary": entry.summary,
        "attributes": [
            f"{attribute}: {', '.join(values)}" if values else attribute for attribute, values in values_of.items()
        ],
    }


def _describe_options(entry: AdapterPlugin | AnalyzerPlugin) -> list[str] | str:
    from zoo.core.options import describe_options

    return [f"{name} = {default}: {text}" for name, default, text in describe_options(entry.schema())] or "none"
