"""Commands for plugin authors: new, check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from zoo.cli import completion
from zoo.cli.console import Settings
from zoo.errors import ContractError


def new(
    context: typer.Context,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND", help="adapter or analyzer.", autocompletion=completion.words("adapter", "analyzer")
        ),
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name in zoo, such as my-gan.")],
    folder: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="The folder; by default zoo-NAME.")] = None,
) -> None:
    """Write a complete, tested package that adds an architecture or an analysis to zoo, for you to change."""
    from zoo.plugins.scaffold import new_package

    settings: Settings = context.obj
    package = new_package(kind, name, folder, plugins=settings.installation.plugins)
    settings.console.print(escape(f"{package}: pip install -e './{package}[dev]'"), soft_wrap=True)


def check(
    context: typer.Context,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="adapter, analyzer, scorer or card.",
            autocompletion=completion.words("adapter", "analyzer", "scorer", "card"),
        ),
    ],
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="Its name; for a card, the name of the model.",
            autocompletion=completion.subjects,
        ),
    ],
) -> None:
    """Check that an adapter, analyzer, scorer or card meets its contract."""
    from zoo.conformance import checks_of

    settings: Settings = context.obj
    checks = checks_of(kind, name, settings.installation)
    width = max(len(each.name) for each in checks)
    failed = []
    for each in checks:
        try:
            each()
            sign, text = "[green]✓[/green]", each.contract
        except ContractError as error:
            failed.append(each.name)
            sign, text = "[red]✗[/red]", str(error)
        settings.console.print(f"{sign} {each.name:{width}}  {escape(text)}", soft_wrap=True)
    if failed:
        raise ContractError(f"{kind} {checks[0].of} fails {len(failed)} of {len(checks)} checks: {', '.join(failed)}")
