"""The options that say which processes share the work, and what is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli import completion
from zoo.cli.arguments import NETWORK

if TYPE_CHECKING:
    from zoo.engines.engine import Engine

Jobs = Annotated[int | None, typer.Option("--jobs", help="Processes; by default one a core, or one a GPU.")]
EngineName = Annotated[
    str,
    typer.Option(
        "--on",
        metavar="local|ray",
        help="What computes: this machine, or a Ray cluster.",
        autocompletion=completion.words("local", "ray"),
    ),
]
AnalysisEngine = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="local|ray",
        help="Share the derivatives of many codes, or of a large network, out to processes.",
        rich_help_panel=NETWORK,
        autocompletion=completion.words("local", "ray"),
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address", metavar="URL", help="The cluster of --on ray; by default one that runs, or else a new one here."
    ),
]


def engine(on: str | None, address: str | None, jobs: int | None, *, lists: bool = False) -> Engine | None:
    """Make an engine of the words of an analysis.

    Args:
        on: The name of the engine; None takes derivatives in this process.
        address: The address of a cluster.
        jobs: How many processes there are.
        lists: Whether there are several analyses, which processes carry out in any case.

    Returns:
        The engine, if one was named.

    Raises:
        OptionError: If an option of an engine is given without one.
    """
    from zoo.engines.engine import Engine
    from zoo.errors import OptionError

    if on is not None or lists:
        return Engine(on=on or "local", address=address, jobs=jobs)
    for name, value in {"--address": address, "--jobs": jobs}.items():
        if value is not None:
            raise OptionError(f"{name} {value} is of processes that share an analysis: pass --on local or --on ray too")
    return None
