"""The command analyze. torch is imported inside it, never before."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo.cli import arguments, engines, scorers
from zoo.cli.arguments import CODES, codes_request, opening_request
from zoo.cli.console import Settings, progress_bars
from zoo.cli.printing import print_run

SeedOrList = Annotated[
    str | None,
    typer.Option(
        "--seed",
        metavar="INT|LIST",
        help="Seed of everything that is drawn; by default 0. Of 0-9 or 1,2, each is an analysis.",
        rich_help_panel=CODES,
    ),
]


def analyze(
    context: typer.Context,
    model: arguments.ModelNames,
    analyzer: arguments.AnalyzerName = None,
    region: arguments.AnalyzedRegion = "all",
    samples: arguments.Samples = None,
    seed: SeedOrList = None,
    seeds: arguments.Seeds = None,
    codes: arguments.CodesFile = None,
    codes_as: arguments.CodesAs = None,
    layers: arguments.Layers = None,
    label: arguments.Label = None,
    truncation: arguments.Truncation = None,
    option: arguments.AnalysisOption = None,
    show: Annotated[int, typer.Option(help="How many directions to measure and show.")] = 5,
    unseen: Annotated[int, typer.Option(help="How many unseen codes to measure on.")] = 32,
    scorer: scorers.ScorerName = None,
    words: scorers.Words = None,
    space: arguments.Space = None,
    tuned: arguments.Tuned = None,
    device: arguments.Device = "auto",
    dtype: arguments.Dtype = "float32",
    memory: arguments.Memory = None,
    keep: arguments.Keep = True,
    on: engines.AnalysisEngine = None,
    address: engines.Address = None,
    jobs: engines.Jobs = None,
    npy: arguments.Npy = False,
    each: arguments.Each = False,
    as_json: arguments.AsJson = False,
    out: arguments.Out = None,
    force: arguments.Force = False,
) -> None:
    """Find directions in a model's latent space and write a run folder: directions, codes, sheet, report.

    MODEL, --analyzer, --region and --seed take lists, with commas between; each combination is an analysis of its own,
    and all of them are a small sweep.
    """
    from zoo.analysis.request import AnalysisRequest, usual_analyzer
    from zoo.analysis.run import run_analysis
    from zoo.core.options import parse_pairs
    from zoo.engines.engine import USUAL_ENGINE, engine_of
    from zoo.sweep.lists import read_lists

    settings: Settings = context.obj
    lists = read_lists(model, analyzer, region, seed)
    engine = engine_of(on or ("local" if lists.several else None), address, jobs)
    request = AnalysisRequest(
        analyzer=analyzer or usual_analyzer(region),
        region=region,
        codes=codes_request(codes, codes_as, samples, lists.seeds[0], seeds, label, truncation),
        layers=layers,
        options=parse_pairs(option or []),
        show=show,
        unseen=unseen,
        scorer=scorers.scorer_choice(scorer, words),
    )
    opening = opening_request(space, tuned, device, dtype)
    if lists.several:
        from zoo.cli.commands.sweeps import run_lists

        alone: dict[str, object] = {"--codes": codes, "--seeds": seeds, "--npy": npy, "--each": each}
        alone |= {"--no-keep": not keep, "--force": force}
        run_lists(settings, lists, request, opening, memory, engine or USUAL_ENGINE, out, alone, as_json=as_json)
        return
    request = request.with_scorer(settings.installation)
    folder = out or request.usual_folder(model, opening)
    with progress_bars(settings) as progress:
        run = run_analysis(
            request,
            model,
            settings.installation,
            opening=opening,
            out=folder,
            force=force,
            npy=npy,
            each=each,
            memory=memory,
            keep=keep,
            engine=engine,
            progress=progress,
        )
    print_run(settings, run, folder, as_json=as_json)
