"""Commands for plugin authors: new, check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli import completion
from zoo.cli.arguments import AsJson
from zoo.cli.console import Settings, escape
from zoo.cli.tables import print_json
from zoo.errors import ContractError


def new(
    context: typer.Context,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="adapter, analyzer or projector.",
            autocompletion=completion.words("adapter", "analyzer", "projector"),
        ),
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name in zoo, such as my-gan.")],
    folder: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="The folder; by default zoo-NAME.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a complete, tested package that adds an architecture, analysis or projector to zoo, for you to change."""
    from zoo.plugins.scaffold import new_package

    settings: Settings = context.obj
    package = new_package(kind, name, folder, plugins=settings.installation.plugins)
    if as_json:
        print_json({"kind": kind, "name": name, "folder": str(package)})
        return
    settings.console.print(escape(f"{package}: pip install -e './{package}[dev]'"), soft_wrap=True)


def check(
    context: typer.Context,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="adapter, analyzer, scorer, projector or card.",
            autocompletion=completion.words("adapter", "analyzer", "scorer", "projector", "card"),
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
    as_json: AsJson = False,
) -> None:
    """Check that an adapter, analyzer, scorer, projector or card meets its contract."""
    from zoo.conformance import checks_of

    settings: Settings = context.obj
    checks = checks_of(kind, name, settings.installation)
    width = max(len(each.name) for each in checks)
    results = []
    for each in checks:
        try:
            each()
            sign, error = "[green]✓[/green]", None
        except ContractError as found:
            sign, error = "[red]✗[/red]", str(found)
        results.append({"name": each.name, "passed": error is None, "contract": each.contract, "error": error})
        if not as_json:
            settings.console.print(f"{sign} {each.name:{width}}  {escape(error or each.contract)}", soft_wrap=True)
    if as_json:
        print_json({"kind": kind, "name": checks[0].of, "checks": results})
    failed = [str(result["name"]) for result in results if not result["passed"]]
    if failed:
        raise ContractError(f"{kind} {checks[0].of} fails {len(failed)} of {len(checks)} checks: {', '.join(failed)}")
