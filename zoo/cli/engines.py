"""The options that say which processes share the work, and what is made of them."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo.cli import completion
from zoo.cli.arguments import NETWORK

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
