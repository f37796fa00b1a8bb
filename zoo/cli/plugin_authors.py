"""Commands for authors of plugins: new, check."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from zoo.cli.console import Settings
from zoo.errors import ContractError


def new(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="adapter or analyzer.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="What zoo will call it, such as my-gan.")],
    folder: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="Where to; by default zoo-NAME.")] = None,
) -> None:
    """Write a package that adds an architecture or an analysis to zoo: complete, tested, for you to change."""
    from zoo.plugins.scaffold import new_package

    settings: Settings = context.obj
    made = new_package(kind, name, folder, plugins=settings.installation.plugins)
    settings.console.print(escape(f"{made}: pip install -e './{made}[dev]'"), soft_wrap=True)


def check(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="adapter, analyzer, scorer or card.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name; of a card the model's.")],
) -> None:
    """Hold an adapter, analyzer, scorer or card to its contract, check by check."""
    from zoo.conformance import checks_of

    settings: Settings = context.obj
    checks, broken = checks_of(kind, name, settings.installation), []
    wide = max(len(each.name) for each in checks)
    for each in checks:
        try:
            each()
            sign, told = "[green]✓[/green]", each.contract
        except ContractError as error:
            broken.append(each.name)
            sign, told = "[red]✗[/red]", str(error)
        settings.console.print(f"{sign} {each.name:{wide}}  {escape(told)}", soft_wrap=True)
    if broken:
        raise ContractError(f"{kind} {checks[0].of} broke {len(broken)} of {len(checks)} checks: {', '.join(broken)}")


COMMANDS: dict[str, Callable[..., None]] = {"new": new, "check": check}
