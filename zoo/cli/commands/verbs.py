"""Commands that run a network: sample, edit, compare, score. torch is imported inside them, never before.

Each command maps its options to a request, carries it out, and prints the result.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli import arguments, early, scorers
from zoo.cli.arguments import codes_request, opening_request
from zoo.cli.console import Settings, progress_bars
from zoo.cli.printing import (
    print_codes_written,
    print_comparison,
    print_files,
    print_ranking,
    print_scores,
)
from zoo.cli.tables import print_json


def sample(
    context: typer.Context,
    model: arguments.ModelName,
    samples: arguments.DrawnSamples = None,
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
    option: arguments.Option = None,
    each: arguments.Each = False,
    size: arguments.Size = None,
    as_json: arguments.AsJson = False,
    out: arguments.Out = None,
    force: arguments.Force = False,
) -> None:
    """Draw images: a picture of all of them, and their codes."""
    from zoo.editing.samples import SampleRequest

    settings: Settings = context.obj
    request = SampleRequest(
        model=model,
        opening=opening_request(space, tuned, device, dtype, option),
        codes=codes_request(codes, codes_as, samples, seed, seeds, label, truncation, usual=16),
        each=each,
        size=size,
        out=out,
        force=force,
    )
    with progress_bars(settings) as progress:
        written = request.run(settings.installation, progress)
    print_codes_written(settings, written, as_json=as_json)


def edit(
    context: typer.Context,
    model: arguments.ModelName,
    directions: arguments.MoveTexts,
    index: arguments.Index = "0",
    read_as: arguments.DirectionsAs = None,
    together: arguments.Together = False,
    grid: Annotated[bool, typer.Option("--grid", help="Two directions: one across, the other down.")] = False,
    strengths: Annotated[str, typer.Option(help="Steps along the unit direction.")] = "-3,-2,-1,0,1,2,3",
    layers: arguments.Layers = None,
    onto: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PICTURE",
            help="Carry the change over to this photograph, whose code --codes RUN of zoo project has; repeatable.",
        ),
    ] = None,
    region: arguments.CarriedRegion = None,
    video: arguments.Video = "auto",
    frames: arguments.Frames = 50,
    fps: arguments.FramesPerSecond = 25,
    each: arguments.Each = False,
    size: arguments.Size = None,
    samples: arguments.EditSamples = None,
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
    option: arguments.Option = None,
    as_json: arguments.AsJson = False,
    out: arguments.Out = None,
    force: arguments.Force = False,
) -> None:
    """Move codes along directions, one by one, together or as a grid: a sheet of pictures and an animation."""
    from zoo.editing.edit_request import EditRequest

    settings: Settings = context.obj
    request = EditRequest(
        model=model,
        directions=directions,
        opening=opening_request(space, tuned, device, dtype, option),
        index=index,
        together=together,
        grid=grid,
        strengths=strengths,
        layers=layers,
        onto=onto or (),
        region=region,
        video=video,
        frames=frames,
        fps=fps,
        each=each,
        size=size,
        codes=codes_request(codes, codes_as, samples, seed, seeds, label, truncation, usual=4),
        read_as=read_as,
        out=out,
        force=force,
    )
    with progress_bars(settings) as progress:
        written = request.run(settings.installation, progress)
    print_codes_written(settings, written, as_json=as_json)


def compare(
    context: typer.Context,
    a: arguments.SideA,
    b: Annotated[
        Path, typer.Argument(metavar="B", help="Another one, of the same latent space.", callback=early.given_side)
    ],
    more: Annotated[list[Path] | None, typer.Argument(metavar="C...", help="Further run folders for --rank.")] = None,
    rank: Annotated[
        bool, typer.Option("--rank", help="Rank all directions of run folders, in a table, a page and one sheet.")
    ] = False,
    model: arguments.ComparedModel = None,
    region: arguments.AnalysesRegion = None,
    read_as: arguments.DirectionsAs = None,
    top: Annotated[int, typer.Option(help="How many rows to print and to show.")] = 10,
    samples: arguments.Samples = None,
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
    option: arguments.AnalysesOption = None,
    as_json: arguments.AsJson = False,
    out: arguments.ComparisonOut = None,
    force: arguments.Force = False,
) -> None:
    """Compare two sets of directions: the nearest ones, the angles between their spans, and with --model pictures."""
    from zoo.analysis.compare_request import CompareRequest

    settings: Settings = context.obj
    request = CompareRequest(
        a=a,
        b=b,
        model=model,
        opening=opening_request(space, tuned, device, dtype, option),
        region=region,
        codes=codes_request(codes, codes_as, samples, seed, seeds, label, truncation),
        top=top,
        read_as=read_as,
        out=out,
        force=force,
        more=more or (),
        rank=rank,
    )
    if rank:
        from zoo.sweep.ranking import RankRequest

        request.check_ranked()
        ranked = RankRequest(runs=[a, b, *(more or [])], out=out, force=force)
        print_ranking(settings, ranked.run(), ranked.folder, top, as_json=as_json)
        return
    with progress_bars(settings) as progress:
        comparison = request.run(settings.installation, progress)
    if as_json:
        print_json(comparison.as_json())
        return
    print_comparison(settings, comparison, top)
    if request.folder:
        print_files(settings, request.folder)


def score(
    context: typer.Context,
    model: arguments.ModelName,
    directions: arguments.DirectionsFile,
    read_as: arguments.DirectionsAs = None,
    scorer: scorers.ScorerName = None,
    words: scorers.Words = None,
    samples: arguments.ScoredSamples = None,
    seed: arguments.Seed = None,
    seeds: arguments.Seeds = None,
    codes: arguments.CodesFile = None,
    codes_as: arguments.CodesAs = None,
    step: arguments.Step = None,
    region: arguments.ScoredRegion = None,
    layers: arguments.Layers = None,
    show: Annotated[int, typer.Option(help="How many directions to score.")] = 5,
    label: arguments.Label = None,
    truncation: arguments.Truncation = None,
    space: arguments.Space = None,
    tuned: arguments.Tuned = None,
    device: arguments.Device = "auto",
    dtype: arguments.Dtype = "float32",
    option: arguments.Option = None,
    as_json: arguments.AsJson = False,
    out: arguments.ScoresOut = None,
    force: arguments.Force = False,
) -> None:
    """Measure which attributes directions change: scorers look at unseen codes, moved along each of them both ways."""
    from zoo.scoring.score_request import ScoreRequest

    settings: Settings = context.obj
    request = ScoreRequest(
        model=model,
        directions=directions,
        opening=opening_request(space, tuned, device, dtype, option),
        scorer=scorers.scorer_choice(scorer, words),
        codes=codes_request(codes, codes_as, samples, seed, seeds, label, truncation, usual=128),
        step=step,
        region=region,
        layers=layers,
        show=show,
        read_as=read_as,
        out=out,
        force=force,
    )
    with progress_bars(settings) as progress:
        scores = request.run(settings.installation, progress)
    if as_json:
        print_json(scores.as_json())
        return
    print_scores(settings, scores)
    if out:
        print_files(settings, out)
