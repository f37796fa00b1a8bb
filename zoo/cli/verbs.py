"""Commands that run a network: sample, analyze, edit, compare, score. torch is imported inside them, never before."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from zoo._utils.progress import Progress
from zoo.cli.console import Settings, progress_bars, table
from zoo.errors import OptionError

if TYPE_CHECKING:
    from zoo.analysis.compare import Comparison
    from zoo.analysis.run import Run
    from zoo.models.model import Model
    from zoo.scoring.scores import Scores

MOST_OF_A_RUN = 4
"""How many of a run folder's own codes `zoo edit` shows."""

ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="A model of 'zoo list', or a weights file.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1 …; auto is CUDA where there is one.")]
Dtype = Annotated[str, typer.Option(help="float32 or float64.")]
Seed = Annotated[int, typer.Option(help="Seed of everything that is drawn.")]
Samples = Annotated[int, typer.Option(help="How many codes to draw.")]
CodesFile = Annotated[Path | None, typer.Option("--codes", metavar="FILE", help="Read codes instead of drawing them.")]
Space = Annotated[str | None, typer.Option(help="Latent space; by default the family's usual one.")]
Layers = Annotated[str | None, typer.Option(help="Rows of the code, such as 4-7 or 0,2,5-6.")]
Label = Annotated[str | None, typer.Option(help="Class of a conditional model, by name or index.")]
Truncation = Annotated[float | None, typer.Option(help="Truncation of what is drawn; 0 is the mean, 1 none.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder to write; by default under runs/.")]
Option = Annotated[list[str] | None, typer.Option("-o", metavar="NAME=VALUE", help="An option of the architecture.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a folder that an earlier run wrote.")]


def sample(
    context: typer.Context,
    model: ModelName,
    samples: Samples = 16,
    seed: Seed = 0,
    codes: CodesFile = None,
    label: Label = None,
    truncation: Truncation = None,
    space: Space = None,
    device: Device = "auto",
    dtype: Dtype = "float32",
    option: Option = None,
    out: Out = None,
    force: Force = False,
) -> None:
    """Draw images: a picture of all of them, and their codes."""
    from zoo._utils import files
    from zoo.editing import render

    settings: Settings = context.obj
    folder = out or Path("runs") / f"{_short(model)}-samples"
    files.refuse_existing(folder, force=force)
    with progress_bars(settings) as progress:
        opened = _open(settings, model, progress, space=space, device=device, dtype=dtype, option=option)
        drawn = (
            opened.read_codes(codes, label=label)
            if codes
            else opened.sample(samples, seed, label=label, truncation=truncation)
        )
        render.save_samples(opened, drawn, folder, force=force, progress=progress)
    _print_files(settings, folder)


def analyze(
    context: typer.Context,
    model: ModelName,
    analyzer: Annotated[str, typer.Option("--analyzer", "-a", help="An analysis of 'zoo list --analyzers'.")] = "sefa",
    region: Annotated[str, typer.Option("--region", "-r", help="mouth, all, box:…, mask:FILE, a+b, not:a")] = "all",
    samples: Samples = 1,
    seed: Seed = 0,
    codes: CodesFile = None,
    layers: Layers = None,
    label: Label = None,
    truncation: Truncation = None,
    option: Annotated[
        list[str] | None,
        typer.Option("-o", metavar="NAME=VALUE", help="An option of the analyzer or the architecture."),
    ] = None,
    show: Annotated[int, typer.Option(help="How many directions to measure and show.")] = 5,
    unseen: Annotated[int, typer.Option(help="How many unseen codes to measure on.")] = 4,
    space: Space = None,
    device: Device = "auto",
    dtype: Dtype = "float32",
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="A budget for derivatives, such as 2GB; less is slower.")
    ] = None,
    keep: Annotated[
        bool,
        typer.Option("--keep/--no-keep", help="Keep Jacobians in the cache, and use those that are there."),
    ] = True,
    npy: Annotated[bool, typer.Option("--npy", help="Write the directions as .npy too.")] = False,
    out: Out = None,
    force: Force = False,
) -> None:
    """Find directions in a model's latent space and write a run folder: directions, codes, sheet, report."""
    from zoo.analysis import run
    from zoo.analysis.request import AnalysisRequest, default_folder
    from zoo.core.options import parse_pairs

    settings: Settings = context.obj
    question = AnalysisRequest(
        analyzer=analyzer,
        region=region,
        samples=samples,
        seed=seed,
        codes=codes,
        layers=layers,
        label=label,
        truncation=truncation,
        options=parse_pairs(option or []),
        show=show,
        unseen=unseen,
    )
    folder = out or default_folder(_short(model), analyzer, region)
    with progress_bars(settings) as progress:
        done = run.run_analysis(
            question,
            model,
            settings.installation,
            out=folder,
            force=force,
            npy=npy,
            memory=memory,
            keep=keep,
            progress=progress,
            space=space,
            device=device,
            dtype=dtype,
        )
    _print_directions(settings, done, folder)


def edit(
    context: typer.Context,
    model: ModelName,
    directions: Annotated[
        list[str],
        typer.Argument(metavar="DIRECTIONS", help="Directions files or run folders; FILE:0,2 takes some of them."),
    ],
    index: Annotated[
        str, typer.Option("--index", help="Which directions, where FILE alone is given: 0,2, or 0=2,3=-1.5 weighted.")
    ] = "0",
    together: Annotated[
        bool, typer.Option("--together", help="Move along all of them at once, in proportion.")
    ] = False,
    grid: Annotated[bool, typer.Option("--grid", help="Two directions: one across, the other down.")] = False,
    strengths: Annotated[str, typer.Option(help="Steps along the unit direction.")] = "-3,-2,-1,0,1,2,3",
    layers: Layers = None,
    video: Annotated[
        str, typer.Option(help="auto, none, gif, mp4 or both; auto is both where MP4 can be made.")
    ] = "auto",
    frames: Annotated[int, typer.Option(help="Frames of the animation, there and back, 25 a second.")] = 50,
    samples: Annotated[
        int | None, typer.Option(help="How many codes to draw; by default, a run folder's own codes are used, else 4.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the codes that are drawn; by default 0.")] = None,
    codes: CodesFile = None,
    label: Label = None,
    truncation: Truncation = None,
    space: Space = None,
    device: Device = "auto",
    dtype: Dtype = "float32",
    option: Option = None,
    out: Out = None,
    force: Force = False,
) -> None:
    """Move codes along directions, one by one, together or as a grid: a sheet of pictures and an animation."""
    from zoo._utils import files
    from zoo.editing.edit import edit as edit_codes
    from zoo.editing.move_syntax import arrange, parse_move_spec, read_moves
    from zoo.imaging.animation import check_animation

    settings: Settings = context.obj
    wanted = [parse_move_spec(text, index) for text in directions]
    most = None
    if codes is None and samples is None and seed is None and files.is_dir(wanted[0].path):
        codes, most = wanted[0].path / "codes.safetensors", MOST_OF_A_RUN
    name = "+".join(dict.fromkeys(one.name for one in wanted))[:120]
    folder = out or Path("runs") / f"{_short(model)}-edit-{name}"
    files.refuse_existing(folder, force=force)
    steps = _numbers("--strengths", strengths, float)
    check_animation(video, frames)
    with progress_bars(settings) as progress:
        opened = _open(settings, model, progress, space=space, device=device, dtype=dtype, option=option)
        across, down = arrange(read_moves(wanted, opened.adapter.space), together=together, grid=grid)
        made = edit_codes(
            opened,
            across,
            down=down,
            codes=opened.read_codes(codes, label=label)[:most] if codes else None,
            samples=4 if samples is None else samples,
            seed=seed or 0,
            label=label,
            truncation=truncation,
            strengths=steps,
            layers=layers,
            progress=progress,
        )
        made.save(folder, force=force, video=video, frames=frames, progress=progress)
    _print_files(settings, folder)


def compare(
    context: typer.Context,
    a: Annotated[
        Path,
        typer.Argument(metavar="A", help="A directions file, an .npy array, a run folder; or an analysis of --model."),
    ],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another one, of the same latent space.")],
    model: Annotated[
        str | None, typer.Option("--model", help="Show both sets side by side in this model, and analyse it.")
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", "-r", help="Region of the analyses; by default all.")
    ] = None,
    top: Annotated[int, typer.Option(help="How many rows to print and to show.")] = 10,
    samples: Samples = 1,
    seed: Seed = 0,
    codes: CodesFile = None,
    label: Label = None,
    truncation: Truncation = None,
    space: Space = None,
    device: Device = "auto",
    dtype: Dtype = "float32",
    option: Annotated[
        list[str] | None,
        typer.Option("-o", metavar="NAME=VALUE", help="An option of the analyses or the architecture."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder to write; with --model by default under runs/.")
    ] = None,
    force: Force = False,
) -> None:
    """Compare two sets of directions: the nearest ones, the angles between their spans, and with --model pictures."""
    from zoo._utils import files
    from zoo.analysis.compare import compare as compare_directions
    from zoo.analysis.compare_inputs import read_compare_inputs
    from zoo.core.options import parse_pairs
    from zoo.editing.move_syntax import short_name
    from zoo.registry.cards import is_file_name

    settings: Settings = context.obj
    needing = {
        "--codes": codes,
        "--label": label,
        "--truncation": truncation,
        "--space": space,
        "-o": option,
        "-r": region,
    }
    idle = [name for name, value in needing.items() if value is not None and not model]
    if idle:
        raise OptionError(f"{idle[0]} is about pictures or analyses, which need --model")
    sides = read_compare_inputs(
        (a, b),
        settings.installation,
        model,
        parse_pairs(option or []),
        region=region or "all",
        samples=samples,
        seed=seed,
        codes=codes,
        label=label,
        truncation=truncation,
    )
    known = None if model is None or is_file_name(model) else settings.installation.registry.resolve(model)
    sides.check(settings.installation, known, space)
    folder = out or (Path("runs") / f"compare-{short_name(a)[:60]}-{short_name(b)[:60]}" if model else None)
    if folder:
        files.refuse_existing(folder, force=force)
    with progress_bars(settings) as progress:
        opened = None
        if model:
            rest = [f"{name}={value}" for name, value in sides.rest.items()]
            opened = _open(settings, model, progress, space=space, device=device, dtype=dtype, option=rest)
        made = compare_directions(
            *sides.directions(opened, settings.installation, progress),
            model=opened,
            codes=opened.read_codes(codes, label=label) if opened and codes else None,
            samples=samples,
            seed=seed,
            label=label,
            truncation=truncation,
            top=top,
            progress=progress,
        )
        if folder:
            made.save(folder, force=force, progress=progress)
    if as_json:
        print(json.dumps(made.as_json(), indent=2))
        return
    _print_comparison(settings, made, top)
    if folder:
        _print_files(settings, folder)


def score(
    context: typer.Context,
    model: ModelName,
    directions: Annotated[
        Path, typer.Argument(metavar="DIRECTIONS", help="A directions file, an .npy array or a run folder.")
    ],
    scorer: Annotated[
        str | None, typer.Option("--scorer", help="One of 'zoo list --scorers'; by default, all that fit the model.")
    ] = None,
    samples: Samples = 128,
    seed: Seed = 0,
    codes: CodesFile = None,
    step: Annotated[
        float | None, typer.Option(help="How far to move each way; by default, until the region changes visibly.")
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", "-r", help="Where pixels are measured; by default, as when found.")
    ] = None,
    layers: Layers = None,
    show: Annotated[int, typer.Option(help="How many directions to score.")] = 5,
    label: Label = None,
    truncation: Truncation = None,
    space: Space = None,
    device: Device = "auto",
    dtype: Dtype = "float32",
    option: Option = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder to write scores.json and scores.md to.")
    ] = None,
    force: Force = False,
) -> None:
    """Measure which attributes directions change: scorers look at unseen codes, moved along each of them both ways."""
    from zoo._utils import files
    from zoo.registry.cards import is_file_name
    from zoo.scoring.effects import choose_scorers
    from zoo.scoring.score import score as score_directions

    settings: Settings = context.obj
    if out:
        files.refuse_existing(out, force=force)
    plugins = settings.installation.plugins
    known = None if is_file_name(model) else settings.installation.registry.resolve(model)
    scorers = choose_scorers(known, plugins, scorer) if known else None
    with progress_bars(settings) as progress:
        opened = _open(settings, model, progress, space=space, device=device, dtype=dtype, option=option)
        made = score_directions(
            opened,
            directions,
            scorers or choose_scorers(opened.card, plugins, scorer),
            codes=opened.read_codes(codes, label=label) if codes else None,
            samples=samples,
            seed=seed,
            label=label,
            truncation=truncation,
            step=step,
            region=region,
            layers=layers,
            show=show,
            progress=progress,
        )
    if out:
        made.save(out, force=force)
    if as_json:
        print(json.dumps(made.as_json(), indent=2))
        return
    _print_scores(settings, made)
    if out:
        _print_files(settings, out)


COMMANDS: dict[str, Callable[..., None]] = {
    "sample": sample,
    "analyze": analyze,
    "edit": edit,
    "compare": compare,
    "score": score,
}


def _open(settings: Settings, model: str, progress: Progress, *, option: list[str] | None, **loading: Any) -> Model:
    from zoo.core.options import parse_pairs
    from zoo.models.opening import open_model

    return open_model(model, settings.installation, options=parse_pairs(option or []), progress=progress, **loading)


def _short(model: str) -> str:
    """Name a folder after a model, or after a weights file without its folders and ending."""
    from zoo.registry.cards import is_file_name

    return Path(model.replace("\\", "/")).stem if is_file_name(model) else model


def _numbers(option: str, text: str, kind: Callable[[str], Any]) -> list[Any]:
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        raise OptionError(f"{option} {text}: write numbers with commas between, such as 0,2") from None


def _print_directions(settings: Settings, done: Run, folder: Path) -> None:
    columns = ["direction", "score", "kept norm", "locality, own", "locality, unseen"]
    figures = done.table()
    rows = [[escape(done.directions.label(index)), *one.texts().values()] for index, one in enumerate(figures)]
    if done.names is not None:
        rows = [[*row, str(one.name or "–")] for row, one in zip(rows, figures, strict=True)]
        columns = [*columns, "suggested name"]
    settings.console.print(table(columns, rows, right=columns[:5]))
    if any(one and not one.reached for row in figures for one in (row.own, row.unseen)):
        settings.console.print("* the change inside that locality is read at was not reached within step 8")
    if done.region.whole:
        settings.console.print("locality is measured where there is a region: see --region")
    if not len(done.directions):
        settings.console.print("no direction was found: the low-rank part is empty, or nothing survived the projection")
    dropped = done.directions.provenance.get("dropped")
    if dropped:
        settings.console.print(f"dropped: {len(dropped)} whose kept norm is below 0.01")
    more = len(done.directions) - len(rows)
    if more:
        settings.console.print(f"and {more} more in the file; --show {len(done.directions)} measures all")
    _print_files(settings, folder)


def _print_comparison(settings: Settings, made: Comparison, top: int) -> None:
    for name, text in made.facts().items():
        settings.console.print(escape(f"{name}: {text}"), soft_wrap=True)
    for columns, found in made.tables():
        rows = [[escape(text) for text in row] for row in found]
        settings.console.print(table(columns, rows[:top], right=columns[2:3] if made.labelled else columns[:3]))
        if len(rows) > top:
            settings.console.print(f"and {len(rows) - top} more; --top {len(rows)} shows all")


def _print_scores(settings: Settings, made: Scores) -> None:
    columns, rows = made.table()
    for name, text in made.facts().items():
        settings.console.print(escape(f"{name}: {text}"), soft_wrap=True)
    escaped = [[escape(cell) for cell in row] for row in rows]
    settings.console.print(table([escape(column) for column in columns], escaped, right=columns[1:-1]))


def _print_files(settings: Settings, folder: Path) -> None:
    """Name the files of a folder, pictures first."""
    for path in sorted(folder.iterdir(), key=lambda path: (path.suffix == ".safetensors", path.name)):
        settings.console.print(escape(str(path)), soft_wrap=True)
