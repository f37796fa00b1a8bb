"""Commands that share directions on the Hugging Face Hub: push, search-directions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli import arguments, completion, early, say
from zoo.cli.console import Settings, escape
from zoo.cli.tables import print_json, print_table


def push(
    context: typer.Context,
    directions: Annotated[
        Path,
        typer.Argument(
            metavar="DIRECTIONS", help="A run folder, a directions file or an array.", callback=early.given_directions
        ),
    ],
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The repository on the Hub.")],
    licence: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Licence of the directions, such as cc-by-4.0; by default the weights'."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="The model of an array that does not say it.", autocompletion=completion.models),
    ] = None,
    read_as: arguments.DirectionsAs = None,
    private: Annotated[bool, typer.Option("--private", help="Create a private repository.")] = False,
    despite_terms: Annotated[
        bool, typer.Option("--despite-terms", help="Push although the terms of the weights seem to forbid it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and stop.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask on a terminal whether to go on.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Add a new version to a set that is there.")] = False,
    as_json: arguments.AsJson = False,
) -> None:
    """Publish directions on the Hugging Face Hub: a repository with the file, its pictures, its report and a card."""
    from zoo.hub.parcel import pack
    from zoo.hub.pushing import push as push_parcel

    settings: Settings = context.obj
    parcel = pack(
        directions,
        repository,
        settings.installation,
        model=model,
        licence=licence,
        despite_terms=despite_terms,
        read_as=read_as,
    )
    sizes = {name: len(content) for name, content in parcel.files.items()}
    if not as_json:
        for line in parcel.card.splitlines():
            settings.console.print(escape(line), soft_wrap=True)
        print_table(settings, ["file", "bytes"], [[name, str(size)] for name, size in sizes.items()], right=["bytes"])
    if dry_run:
        if as_json:
            print_json({"repository": parcel.repo, "card": parcel.card, "files": sizes, "pushed": None})
        return
    if settings.on_terminal and not yes and not as_json:
        typer.confirm(f"push this to {parcel.repo}?", abort=True)
    pushed = push_parcel(parcel, private=private, force=force, tell=lambda line: None if settings.quiet else say(line))
    if as_json:
        print_json({"repository": parcel.repo, "card": parcel.card, "files": sizes, "pushed": vars(pushed)})
    else:
        settings.console.print(f"{pushed.address}@{pushed.commit}", soft_wrap=True)
        settings.console.print(escape(pushed.url), soft_wrap=True)


def search_directions(
    context: typer.Context,
    words: Annotated[str | None, typer.Argument(help="Words of the repository's name.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Sets of this model only.", autocompletion=completion.models)
    ] = None,
    limit: Annotated[int, typer.Option(help="How many sets to list at most.")] = 20,
    as_json: arguments.AsJson = False,
) -> None:
    """List sets of directions on the Hugging Face Hub; use one as hf://owner/name wherever a file is taken."""
    from zoo.hub.searching import search

    settings: Settings = context.obj
    found = search(words, model, settings.installation, limit=limit)
    if as_json:
        print_json([one.as_json() for one in found])
        return
    if not found:
        settings.console.print("no set of directions was found", soft_wrap=True)
        return
    weights = {True: "the same", False: "other", None: "–"}
    rows = [
        [
            one.address,
            one.model,
            str(one.directions or "–"),
            one.analyzer or "–",
            one.region or "–",
            ", ".join(name for name in one.names if name) or "–",
            one.licence or "–",
            weights[one.same_weights],
        ]
        for one in found
    ]
    columns = ["address", "model", "directions", "found by", "region", "names", "licence", "weights"]
    print_table(settings, columns, rows, right=["directions"])
