"""The commands that name and pick directions: name, pick. They read files of directions; the network is not needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli import arguments, early
from zoo.cli.console import Settings
from zoo.cli.printing import list_written, print_files
from zoo.cli.tables import print_json, print_table

if TYPE_CHECKING:
    from zoo.core.directions import Directions


def name(
    context: typer.Context,
    directions: Annotated[
        Path,
        typer.Argument(
            metavar="DIRECTIONS", help="A directions file, or a run folder.", callback=early.given_directions
        ),
    ],
    index: Annotated[
        str | None, typer.Argument(help="Which direction: its number or its present name; without it, all are listed.")
    ] = None,
    new_name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Its name, such as smile; '' takes its name away.")
    ] = None,
    as_json: arguments.AsJson = False,
) -> None:
    """Name a direction, so that FILE:smile stands for it wherever FILE:3 does; or list the names of a file."""
    from zoo.core.directions import Directions
    from zoo.core.files.naming import name_direction
    from zoo.errors import OptionError

    settings: Settings = context.obj
    if index is None:
        found = Directions.load(directions)
    elif new_name is None:
        raise OptionError(f"direction {index}: write its name behind it, or '' to take its name away")
    else:
        found = name_direction(directions, int(index) if index.lstrip("-").isdecimal() else index, new_name)
    if as_json:
        print_json(_rows(found))
    else:
        _print_table(settings, found)


def pick(
    context: typer.Context,
    directions: Annotated[
        list[str],
        typer.Argument(
            metavar="DIRECTIONS",
            help="Directions files or run folders; FILE:0,smile takes some of them.",
            callback=early.given_moves,
        ),
    ],
    npy: arguments.Npy = False,
    as_json: arguments.AsJson = False,
    out: arguments.Out = None,
    force: arguments.Force = False,
) -> None:
    """Put directions of one or several files into a file of their own."""
    from zoo.analysis.picking import PickRequest

    settings: Settings = context.obj
    request = PickRequest(directions=directions, npy=npy, out=out, force=force)
    picked = request.run()
    if as_json:
        print_json({"directions": _rows(picked), **list_written(request.folder)})
    else:
        _print_table(settings, picked)
        print_files(settings, request.folder)


def _print_table(settings: Settings, directions: Directions) -> None:
    rows = _rows(directions)
    columns = list(rows[0])
    print_table(settings, columns, [[str(row[key] or "–") for key in columns] for row in rows], right=["score"])


def _rows(directions: Directions) -> list[dict[str, Any]]:
    """List what each direction is called."""
    suggested = directions.suggested_names
    return [
        {
            "direction": str(index),
            "score": f"{float(directions.scores[index]):.3g}",
            "name": directions.given_names[index] if directions.given_names else "",
            "attribute": directions.attributes[index] if directions.attributes else "",
            "suggested name": suggested[index] if index < len(suggested) else "",
        }
        for index in range(len(directions))
    ]
