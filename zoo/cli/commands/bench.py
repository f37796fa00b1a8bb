"""The command that compares analyses on a model: bench. torch is imported inside it, never before."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo.cli import arguments, completion, early, scorers
from zoo.cli.arguments import opening_request
from zoo.cli.console import Settings, progress_bars
from zoo.cli.printing import print_bench


def bench(
    context: typer.Context,
    model: arguments.ModelName,
    analyzer: Annotated[
        list[str] | None,
        typer.Option(
            "--analyzer",
            "-a",
            metavar="NAME[:OPTION=VALUE,…]",
            help="An analysis, perhaps with options, or a region of its own (region=all); repeatable. By default all "
            "that are installed.",
            autocompletion=completion.analyzers,
            callback=early.known_variants,
        ),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            "--region",
            "-r",
            help="The part to edit; by default the model's mouth, or its first region.",
            autocompletion=completion.regions,
        ),
    ] = None,
    repetitions: Annotated[int, typer.Option(help="How often everything is drawn anew.")] = 5,
    draws: Annotated[int, typer.Option(help="How many sets of random directions are drawn, in all.")] = 20,
    show: Annotated[int, typer.Option(help="How many directions of each analysis to measure.")] = 5,
    samples: Annotated[
        int, typer.Option(help="How many codes are analysed in a repetition.", rich_help_panel=arguments.CODES)
    ] = 16,
    unseen: Annotated[
        int, typer.Option(help="How many unseen codes to measure at.", rich_help_panel=arguments.CODES)
    ] = 32,
    readings: Annotated[int, typer.Option(help="How many codes scorers read.", rich_help_panel=arguments.CODES)] = 1000,
    pictures: Annotated[
        int,
        typer.Option(help="How many pictures are projected; 0 leaves that out.", rich_help_panel=arguments.CODES),
    ] = 2,
    seed: Annotated[
        int, typer.Option(help="Seed of the first repetition; the others follow.", rich_help_panel=arguments.CODES)
    ] = 0,
    label: arguments.Label = None,
    truncation: arguments.Truncation = None,
    scorer: scorers.ScorerName = None,
    words: scorers.Words = None,
    space: arguments.Space = None,
    tuned: arguments.Tuned = None,
    device: arguments.Device = "auto",
    dtype: arguments.Dtype = "float32",
    option: arguments.Option = None,
    as_json: arguments.AsJson = False,
    out: arguments.Out = None,
    force: arguments.Force = False,
) -> None:
    """Compare all analyses on a model, between random and supervised directions; say which to use for what."""
    from zoo.bench.request import BenchRequest

    settings: Settings = context.obj
    request = BenchRequest(
        model=model,
        opening=opening_request(space, tuned, device, dtype, option),
        analyzers=analyzer,
        region=region,
        repetitions=repetitions,
        draws=draws,
        show=show,
        samples=samples,
        unseen=unseen,
        readings=readings,
        pictures=pictures,
        seed=seed,
        label=label,
        truncation=truncation,
        scorer=scorers.scorer_choice(scorer, words),
        out=out,
        force=force,
    )
    with progress_bars(settings) as progress:
        found = request.run(settings.installation, progress)
    print_bench(settings, found, request.folder, as_json=as_json)
