"""Commands that look things up: list, info, plugins. They do not import torch, except `info` of a weights file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli import completion, listings
from zoo.cli.console import Settings, progress_bars
from zoo.cli.listings import Values
from zoo.cli.tables import print_facts, print_json, print_table
from zoo.cli.words import codes_in_words, in_words
from zoo.errors import OptionError
from zoo.registry.cards import describe_size, is_file_name

if TYPE_CHECKING:
    from zoo.models.export import Inspected
    from zoo.models.tuned import TunedFile

# What each column of a table shows of the values that are listed, by its heading.
Columns = Mapping[str, Callable[[Values], str]]
NARROW: Columns = {
    "model": lambda model: model["name"],
    "": lambda model: "*" if model["default"] else "",
    "size": lambda model: describe_size(model["resolution"], model["width"]),
    "space": codes_in_words,
    "classes": lambda model: str(model["classes"] or ""),
    "licence": lambda model: model["licence"]["short"],
    "where": lambda model: model["where"],
}
WIDE: Columns = {
    **NARROW,
    "licence": lambda model: model["licence"]["weights"],
    "adapter": lambda model: model["adapter"],
    "summary": lambda model: model["summary"],
}
ADAPTERS: Columns = {
    "adapter": lambda entry: entry["name"],
    "provides": lambda entry: ", ".join(entry["provides"]),
    "summary": lambda entry: entry["summary"],
}
ANALYZERS: Columns = {
    "analyzer": lambda entry: entry["name"],
    "requires": lambda entry: ", ".join(entry["requires"]),
    "summary": lambda entry: entry["summary"],
}
SCORERS: Columns = {
    "scorer": lambda entry: entry["name"],
    "attributes": lambda entry: ", ".join(entry["attributes"]),
    "summary": lambda entry: entry["summary"],
}
PROJECTORS: Columns = {
    "projector": lambda entry: entry["name"],
    "summary": lambda entry: entry["summary"],
}


def list_(
    context: typer.Context,
    pattern: Annotated[
        str | None,
        typer.Argument(help="Show only models that match, such as 'dcgan*'.", autocompletion=completion.models),
    ] = None,
    adapters: Annotated[bool, typer.Option("--adapters", help="List architectures instead.")] = False,
    analyzers: Annotated[bool, typer.Option("--analyzers", help="List analyses instead.")] = False,
    scorers: Annotated[bool, typer.Option("--scorers", help="List predictors of attributes instead.")] = False,
    projectors: Annotated[
        bool, typer.Option("--projectors", help="List what finds codes of pictures instead.")
    ] = False,
    matrix: Annotated[bool, typer.Option("--matrix", help="Show which analysis runs on which architecture.")] = False,
    wide: Annotated[bool, typer.Option("--wide", "-w", help="Show whole licences, and more of each model.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")] = False,
) -> None:
    """List models, architectures, analyses, scorers or projectors."""
    settings: Settings = context.obj
    installation = settings.installation
    if matrix:
        values, show = listings.matrix(installation), _print_matrix
    elif adapters:
        values, show = listings.adapters(installation), partial(_print_values, columns=ADAPTERS)
    elif analyzers:
        values, show = listings.analyzers(installation), partial(_print_values, columns=ANALYZERS)
    elif scorers:
        values, show = listings.scorers(installation), partial(_print_values, columns=SCORERS)
    elif projectors:
        values, show = listings.projectors(installation), partial(_print_values, columns=PROJECTORS)
    else:
        values, show = listings.models(installation, pattern), partial(_print_models, wide=wide)
    if as_json:
        print_json(values)
    else:
        show(settings, values)


def info(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="A model, adapter, analyzer, scorer, projector or weights file; or 'adapter:dcgan'.",
            autocompletion=completion.names,
        ),
    ],
    option: Annotated[
        list[str] | None,
        typer.Option("-o", metavar="NAME=VALUE", help="An option of the architecture by which to read a weights file."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")] = False,
) -> None:
    """Show everything known about a model, an architecture, an analysis, a scorer, a projector or a weights file."""
    settings: Settings = context.obj
    if is_file_name(name):
        from zoo.cli import early

        early.known_model(context, name)
        inspected = _inspect(settings, name, option or [])
        values, facts = inspected.as_json(), inspected.facts()
    elif option:
        raise OptionError(f"-o {option[0]}: options tell how to read a weights file, and {name} is none")
    else:
        values = listings.describe(settings.installation, name)
        facts = in_words(values)
    if as_json:
        print_json(values)
    else:
        print_facts(settings, facts)


def plugins(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")] = False,
) -> None:
    """Show the installed plugins, and why any of them were skipped."""
    settings: Settings = context.obj
    infos = settings.installation.plugins.infos
    if as_json:
        print_json([asdict(plugin) for plugin in infos])
        return
    rows = [
        (
            plugin.module,
            plugin.distribution,
            plugin.version,
            ".".join(map(str, plugin.contract or ())),
            f"{1000 * plugin.seconds:.0f} ms",
            ", ".join(plugin.hooks),
            plugin.error or "",
        )
        for plugin in infos
    ]
    columns = ["plugin", "distribution", "version", "contract", "import", "hooks", "error"]
    if settings.on_terminal:  # reasons are too long for a column
        print_table(settings, columns[:-1], [row[:-1] for row in rows], right=["import"], elastic="hooks")
        for module, *_, error in rows:
            if error:
                settings.console.print(f"{module}: {error}", soft_wrap=True, markup=False)
    else:
        print_table(settings, columns, rows)


def _inspect(settings: Settings, name: str, option: list[str]) -> Inspected | TunedFile:
    from zoo.core.options import parse_pairs
    from zoo.models.export import inspect_file
    from zoo.models.tuned import TunedFile

    if tuned := TunedFile.recognised(name):
        return tuned
    with progress_bars(settings) as progress:
        return inspect_file(name, settings.installation, options=parse_pairs(option), progress=progress)


def _print_values(settings: Settings, values: list[Values], columns: Columns) -> None:
    print_table(settings, list(columns), [[text(each) for text in columns.values()] for each in values])


def _print_models(settings: Settings, values: list[Values], *, wide: bool) -> None:
    columns = WIDE if wide else NARROW
    rows = [[text(each) for text in columns.values()] for each in values]
    print_table(
        settings,
        list(columns),
        rows,
        right=["size", "classes"],
        optional=["classes", "where", "space"],
        elastic="licence",
        wide=wide,
    )
    if settings.on_terminal and any(each["default"] for each in values):
        settings.console.print("* means: the architecture's name alone stands for this model", soft_wrap=True)


def _print_matrix(settings: Settings, values: list[Values]) -> None:
    columns = ["adapter", *values[0]["obstacles"]] if values else ["adapter"]
    rows = [
        [
            each["adapter"] + (f" in {each['space']}" if each["space"] else ""),
            *(obstacle or "yes" for obstacle in each["obstacles"].values()),
        ]
        for each in values
    ]
    print_table(settings, columns, rows)
