"""The command from words to a direction: find. torch is imported inside it, never before."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli import arguments, completion, scorers
from zoo.cli.arguments import codes_request, opening_request
from zoo.cli.console import Settings, progress_bars
from zoo.cli.printing import print_run


def find(
    context: typer.Context,
    model: arguments.ModelName,
    words: Annotated[
        str, typer.Argument(metavar="WORDS", help="What to look for: 'open mouth', or 'open mouth / closed mouth'.")
    ],
    directions: Annotated[
        list[Path] | None,
        typer.Option(
            "--directions",
            metavar="DIRECTIONS",
            help="Combine those of this file or run folder; repeatable. By default those of all unsupervised analyses.",
        ),
    ] = None,
    region: Annotated[
        str,
        typer.Option(
            "--region", "-r", help="Where the image may change for the words.", autocompletion=completion.regions
        ),
    ] = "all",
    layers: arguments.Layers = None,
    scorer: scorers.ScorerName = None,
    steps: Annotated[int, typer.Option(help="Steps of gradient ascent; 0 only compares directions.")] = 60,
    show: Annotated[int, typer.Option(help="How many directions to measure and show.")] = 5,
    samples: Annotated[int | None, arguments.samples_option(32)] = None,
    seed: arguments.Seed = None,
    seeds: arguments.Seeds = None,
    codes: arguments.CodesFile = None,
    codes_as: arguments.CodesAs = None,
    label: arguments.Label = None,
    truncation: arguments.Truncation = None,
    space: arguments.Space = None,
    tuned: arguments.Tuned = None,
    device: arguments.Device = "auto",
    dtype: arguments.Dtype = "float32",
    option: Annotated[
        list[str] | None,
        typer.Option("-o", metavar="NAME=VALUE", help="An option of the scorer or the architecture."),
    ] = None,
    as_json: arguments.AsJson = False,
    out: arguments.Out = None,
    force: arguments.Force = False,
) -> None:
    """Find the direction that words describe: combine directions, by gradient through a scorer of words."""
    from zoo.analysis.find_request import FindRequest

    settings: Settings = context.obj
    request = FindRequest(
        model=model,
        words=words,
        directions=directions or (),
        opening=opening_request(space, tuned, device, dtype, option),
        scorer=scorers.scorer_choice(scorer, None),
        region=region,
        layers=layers,
        codes=codes_request(codes, codes_as, samples, seed, seeds, label, truncation, usual=32),
        steps=steps,
        show=show,
        out=out,
        force=force,
    )
    with progress_bars(settings) as progress:
        run = request.run(settings.installation, progress)
    print_run(settings, run, request.folder, as_json=as_json)
