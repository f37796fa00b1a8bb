"""The command that begins with pictures: project. torch is imported inside it, never before."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo.cli import arguments, completion, early
from zoo.cli.arguments import opening_request
from zoo.cli.console import Settings, progress_bars
from zoo.cli.printing import print_inversion

# Groups of `--help`.
SEARCH, TUNING = "Search", "Tuning"


def project(
    context: typer.Context,
    model: arguments.ModelName,
    pictures: Annotated[
        list[str],
        typer.Argument(
            metavar="PICTURE…", help="Files, folders, or patterns such as 'faces/*.jpg'.", callback=early.given_pictures
        ),
    ],
    rows: Annotated[
        str | None,
        typer.Option(
            metavar="auto|tied|free",
            help="One vector for all rows of a code, or one for each; auto frees them where that is needed.",
            rich_help_panel=SEARCH,
            autocompletion=completion.words("auto", "tied", "free"),
        ),
    ] = None,
    label: Annotated[
        str,
        typer.Option(
            help="Class of a conditional model, by name or index; auto finds it.", rich_help_panel=arguments.CODES
        ),
    ] = "auto",
    region: Annotated[
        str,
        typer.Option(
            "--region",
            "-r",
            help="The pixels that count; others may differ.",
            rich_help_panel=SEARCH,
            autocompletion=completion.regions,
        ),
    ] = "all",
    align: Annotated[
        str,
        typer.Option(
            metavar="auto|none|RULE",
            help="What is taken of photographs: none is the middle; ffhq, celeba or points:… the largest face as those "
            "have it; auto does what the model's card says.",
            rich_help_panel=SEARCH,
            autocompletion=completion.words("auto", "none", "ffhq", "celeba"),
        ),
    ] = "auto",
    ridge: Annotated[
        float | None,
        typer.Option(
            help="Holds codes near drawn ones; by default as much as is needed, 0 where none is.",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    starts: Annotated[
        int | None,
        typer.Option(
            help="How many starts to try while a picture is not reproduced; by default 6, then codes around the best; "
            "for large images 1.",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    loss: Annotated[
        str,
        typer.Option(
            metavar="pixels|features",
            help="What shall agree; features adds those of a network, -o output=timm:NAME.",
            rich_help_panel=SEARCH,
            autocompletion=completion.words("pixels", "features"),
        ),
    ] = "pixels",
    projector: Annotated[
        str | None,
        typer.Option(
            help="One of 'zoo list --projectors', from a plugin, instead of zoo's own search.",
            rich_help_panel=SEARCH,
            autocompletion=completion.projectors,
            callback=early.known_projector,
        ),
    ] = None,
    tune: Annotated[
        bool,
        typer.Option(
            "--tune",
            help="Fine-tune a copy of the network at the codes, so that it draws the very pictures.",
            rich_help_panel=TUNING,
        ),
    ] = False,
    locality: Annotated[
        float | None,
        typer.Option(
            help="How much --tune holds the images of other codes; by default 0.1, and 0 does not.",
            rich_help_panel=TUNING,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="How many steps --tune takes; by default 350.", rich_help_panel=TUNING),
    ] = None,
    seed: arguments.Seed = None,
    space: arguments.Space = None,
    tuned: arguments.Tuned = None,
    device: arguments.Device = "auto",
    dtype: arguments.Dtype = "float32",
    memory: arguments.Memory = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "-o", metavar="NAME=VALUE", help="An option of the feature loss, the projector or the architecture."
        ),
    ] = None,
    each: arguments.Each = False,
    size: arguments.Size = None,
    as_json: arguments.AsJson = False,
    out: arguments.Out = None,
    force: arguments.Force = False,
) -> None:
    """Find the codes of pictures, such as photographs: codes, a sheet with what was found, report."""
    from zoo.core.options import parse_pairs
    from zoo.inversion.command import ProjectCommand
    from zoo.inversion.request import ProjectionRequest

    settings: Settings = context.obj
    command = ProjectCommand(
        model=model,
        projection=ProjectionRequest(
            pictures=pictures,
            projector=projector,
            rows=rows,
            ridge=ridge,
            starts=starts,
            loss=loss,
            region=region,
            align=align,
            label=label,
            seed=seed,
            memory=memory,
            tune=tune,
            locality=locality,
            steps=steps,
            options=parse_pairs(option or []),
        ),
        opening=opening_request(space, tuned, device, dtype),
        each=each,
        size=size,
        out=out,
        force=force,
    )
    with progress_bars(settings) as progress:
        result = command.run(settings.installation, progress)
    print_inversion(settings, result, command.folder, as_json=as_json)
    result.raise_if_interrupted(command.folder)
