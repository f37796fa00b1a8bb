"""The command that opens the page: studio. torch, starlette and uvicorn are imported inside it, never before."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from zoo.cli import arguments
from zoo.cli.console import Settings
from zoo.studio.start import USUAL_HOST, USUAL_PORT


def studio(
    context: typer.Context,
    model: Annotated[
        str | None,
        arguments.model_argument("The model to open first: one of 'zoo list', or a weights file."),
    ] = None,
    port: Annotated[int, typer.Option(help="The port to listen at; 0 takes any that is free.")] = USUAL_PORT,
    host: Annotated[
        str,
        typer.Option(help="The address to listen at. Any but this machine's own adds a token to the page's address."),
    ] = USUAL_HOST,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL", help="An address by which a proxy makes the page known: https://studio.example.org."
        ),
    ] = None,
    runs: Annotated[
        Path,
        typer.Option(metavar="DIR", help="The folder to save runs to.", rich_help_panel=arguments.OUTPUT),
    ] = Path("runs"),
    device: arguments.Device = "auto",
    memory: arguments.Memory = None,
    option: arguments.Option = None,
) -> None:
    """Look at models and their directions in a browser: pull sliders, paint regions, name directions, save runs."""
    from zoo.core.options import parse_pairs
    from zoo.studio.start import serve

    settings: Settings = context.obj
    ended = serve(
        model,
        settings.installation,
        port=port,
        host=host,
        open_browser=open_browser,
        runs=runs,
        device=device,
        memory=memory,
        origins=origin or (),
        options=parse_pairs(option or []),
    )
    if not ended:  # a step of an analysis, which no signal interrupts, would keep the process until it is done
        os._exit(0)
