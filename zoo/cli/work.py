"""Commands that run a network: sample, analyze, edit. torch is imported inside them, never before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from zoo.cli.console import Settings, progress_bars, table
from zoo.errors import OptionError
from zoo.progress import Progress

if TYPE_CHECKING:
    from zoo.model import Model
    from zoo.run import Run

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
    from zoo import editing, files

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
        editing.save_samples(opened, drawn, folder, force=force, progress=progress)
    settings.console.print(escape(str(folder / "samples.png")), soft_wrap=True)


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
    npy: Annotated[bool, typer.Option("--npy", help="Write the directions as .npy too.")] = False,
    out: Out = None,
    force: Force = False,
) -> None:
    """Find directions in a model's latent space and write a run folder: directions, codes, sheet, report."""
    from zoo import run
    from zoo.options import parse_pairs
    from zoo.question import Question, default_folder

    settings: Settings = context.obj
    question = Question(
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
        done = run.perform(
            question,
            model,
            settings.zoo,
            out=folder,
            force=force,
            npy=npy,
            progress=progress,
            space=space,
            device=device,
            dtype=dtype,
        )
    _print_directions(settings, done, folder)


def edit(
    context: typer.Context,
    model: ModelName,
    directions: Annotated[Path, typer.Argument(metavar="DIRECTIONS", help="A directions file, or a run folder.")],
    index: Annotated[str, typer.Option("--index", help="Which directions, such as 0 or 0,2.")] = "0",
    strengths: Annotated[str, typer.Option(help="Steps along the unit direction.")] = "-3,-2,-1,0,1,2,3",
    layers: Layers = None,
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
    """Move codes along directions: a sheet of pictures and a GIF."""
    from zoo import editing, files
    from zoo.directions import Directions

    settings: Settings = context.obj
    in_folder = files.is_kind(directions, Path.is_dir)
    file = directions / "directions.safetensors" if in_folder else directions
    most = None
    if in_folder and codes is None and samples is None and seed is None:
        codes, most = directions / "codes.safetensors", MOST_OF_A_RUN
    folder = out or Path("runs") / f"{_short(model)}-edit-{file.parent.name if in_folder else file.stem[:120]}"
    files.refuse_existing(folder, force=force)
    steps = _numbers("--strengths", strengths, float)
    places = _numbers("--index", index, int)
    with progress_bars(settings) as progress:
        opened = _open(settings, model, progress, space=space, device=device, dtype=dtype, option=option)
        home = opened.adapter.space
        made = editing.edit(
            opened,
            Directions.load(file, space=home),
            codes=opened.read_codes(codes, label=label)[:most] if codes else None,
            samples=4 if samples is None else samples,
            seed=seed or 0,
            label=label,
            truncation=truncation,
            indices=places,
            strengths=steps,
            layers=layers,
            progress=progress,
        )
        made.save(folder, force=force)
    for written in ("sheet.png", "edit.gif"):
        settings.console.print(escape(str(folder / written)), soft_wrap=True)


COMMANDS: dict[str, Callable[..., None]] = {"sample": sample, "analyze": analyze, "edit": edit}


def _open(settings: Settings, model: str, progress: Progress, *, option: list[str] | None, **loading: Any) -> Model:
    from zoo.model import open_model
    from zoo.options import parse_pairs

    return open_model(model, settings.zoo, options=parse_pairs(option or []), progress=progress, **loading)


def _short(model: str) -> str:
    """Name a folder after a model, or after a weights file without its folders and ending."""
    from zoo.model import is_file_name

    return Path(model.replace("\\", "/")).stem if is_file_name(model) else model


def _numbers(option: str, text: str, kind: Callable[[str], Any]) -> list[Any]:
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        raise OptionError(f"{option} {text}: write numbers with commas between, such as 0,2") from None


def _print_directions(settings: Settings, done: Run, folder: Path) -> None:
    columns = ["direction", "score", "kept norm", "locality, own", "locality, unseen"]
    figures = done.table()
    rows = [[str(index), *one.texts().values()] for index, one in enumerate(figures)]
    settings.console.print(table(columns, rows, right=columns))
    if any(one and not one.reached for row in figures for one in (row.own, row.unseen)):
        settings.console.print("* the change inside that locality is read at was not reached within step 8")
    dropped = done.directions.provenance.get("dropped")
    if dropped:
        settings.console.print(f"dropped: {len(dropped)} whose kept norm is below 0.01")
    more = len(done.directions) - len(rows)
    if more:
        settings.console.print(f"and {more} more in the file; --show {len(done.directions)} measures all")
    for name in ("sheet.png", "report.html", "directions.safetensors", "codes.safetensors"):
        if (folder / name).exists():
            settings.console.print(escape(str(folder / name)), soft_wrap=True)
