"""The arguments and options of the commands that run a network: those that several share, and what is made of them.

torch is imported inside, never before.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli import completion, early

if TYPE_CHECKING:
    from zoo.editing.requests import CodesRequest, OpeningRequest

# The groups of `--help`; see `zoo.cli.help`.
CODES = "Codes"
NETWORK = "Network"
OUTPUT = "Output"


def model_argument(
    text: str = "A model of 'zoo list', or a weights file.",
    *,
    metavar: str = "MODEL",
    callback: Callable[..., str | None] = early.known_model,
) -> Any:
    """Declare the argument that names a model."""
    return typer.Argument(metavar=metavar, help=text, autocompletion=completion.models, callback=callback)


def samples_option(usual: int) -> Any:
    """Declare how many codes to draw, and how many that usually are."""
    return typer.Option(
        "--samples", help=f"How many codes to draw; by default {usual}.", rich_help_panel=CODES, callback=early.samples
    )


ModelName = Annotated[str, model_argument()]
ModelNames = Annotated[str, model_argument(callback=early.known_models)]
Tuned = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="Weights tuned for pictures: the folder or the file of 'zoo project --tune'.",
        callback=early.given_tuned,
        rich_help_panel=NETWORK,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        help="cpu, cuda, cuda:1 …; auto is CUDA where there is one.",
        rich_help_panel=NETWORK,
        autocompletion=completion.words("auto", "cpu", "cuda"),
    ),
]
Dtype = Annotated[
    str,
    typer.Option(
        help="float32 or float64.",
        rich_help_panel=NETWORK,
        autocompletion=completion.words("float32", "float64"),
        callback=early.dtype,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(help="Seed of everything that is drawn; by default 0.", rich_help_panel=CODES, callback=early.seed),
]
Seeds = Annotated[
    str | None,
    typer.Option(
        metavar="LIST",
        help="Draw one code with each of these seeds: 1,2,3 or 1-8.",
        rich_help_panel=CODES,
        callback=early.seeds,
    ),
]
Samples = Annotated[int | None, samples_option(1)]
DrawnSamples = Annotated[int | None, samples_option(16)]
ScoredSamples = Annotated[int | None, samples_option(128)]
CodesFile = Annotated[
    Path | None,
    typer.Option(
        "--codes",
        metavar="FILE",
        help="Read codes of a file or a run folder instead.",
        rich_help_panel=CODES,
        callback=early.given_codes,
    ),
]
Space = Annotated[
    str | None, typer.Option(help="Latent space; by default the family's usual one.", rich_help_panel=NETWORK)
]
CodesAs = Annotated[
    str | None,
    typer.Option(
        "--codes-as",
        metavar="rows|codes",
        help="Read an array as the rows of one code, or as many codes.",
        rich_help_panel=CODES,
        autocompletion=completion.words("rows", "codes"),
    ),
]
DirectionsAs = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="rows|directions|columns",
        help="Read an array as one direction with a vector a row of the code, or as one in each row or each column.",
        autocompletion=completion.words("rows", "directions", "columns"),
    ),
]
Layers = Annotated[
    str | None,
    typer.Option(
        help="Rows of the code, such as 4-7, or names of 'zoo info MODEL', such as coarse,64x64.",
        autocompletion=completion.layers,
    ),
]
Label = Annotated[
    str | None, typer.Option(help="Class of a conditional model, by name or index.", rich_help_panel=CODES)
]
Truncation = Annotated[
    float | None,
    typer.Option(
        help="Truncation of what is drawn; 0 is the mean, 1 none.", rich_help_panel=CODES, callback=early.truncation
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Folder to write; by default under runs/.", rich_help_panel=OUTPUT),
]
OutOrUrl = Annotated[
    str | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Folder or URL, such as s3://bucket/sweep, to write; by default under runs/.",
        rich_help_panel=OUTPUT,
    ),
]
Option = Annotated[
    list[str] | None,
    typer.Option("-o", metavar="NAME=VALUE", help="An option of the architecture.", rich_help_panel=NETWORK),
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace a folder that an earlier run wrote.", rich_help_panel=OUTPUT)
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.", rich_help_panel=OUTPUT)
]

AnalysisOption = Annotated[
    list[str] | None,
    typer.Option("-o", metavar="NAME=VALUE", help="An option of the analyzer or the architecture."),
]
Memory = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="A budget for derivatives, such as 2GB; less is slower.",
        rich_help_panel=NETWORK,
        callback=early.memory,
    ),
]
Keep = Annotated[
    bool,
    typer.Option(
        "--keep/--no-keep", help="Keep Jacobians in the cache, and use those that are there.", rich_help_panel=NETWORK
    ),
]
MoveTexts = Annotated[
    list[str],
    typer.Argument(
        metavar="DIRECTIONS",
        help="Directions files or run folders; FILE:0,2 takes some of them.",
        callback=early.given_moves,
    ),
]
Index = Annotated[
    str, typer.Option("--index", help="Which directions, where FILE alone is given: 0,2, or 0=2,3=-1.5 weighted.")
]
Together = Annotated[bool, typer.Option("--together", help="Move along all of them at once, in proportion.")]
Video = Annotated[
    str,
    typer.Option(
        help="auto, none, gif, mp4 or both; auto is both where MP4 can be made.",
        rich_help_panel=OUTPUT,
        autocompletion=completion.words("auto", "none", "gif", "mp4", "both"),
    ),
]
EditSamples = Annotated[
    int | None,
    typer.Option(
        help="How many codes to draw; by default, a run folder's own codes are used, else 4.",
        rich_help_panel=CODES,
        callback=early.samples,
    ),
]
SideA = Annotated[
    Path,
    typer.Argument(
        metavar="A",
        help="A directions file, an array, a run folder; or an analysis of --model.",
        callback=early.given_side,
    ),
]
ComparedModel = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Show both sets side by side in this model, and analyse it.",
        autocompletion=completion.models,
        callback=early.known_model,
    ),
]
AnalysesRegion = Annotated[
    str | None,
    typer.Option("--region", "-r", help="Region of the analyses; by default all.", autocompletion=completion.regions),
]
AnalysesOption = Annotated[
    list[str] | None,
    typer.Option("-o", metavar="NAME=VALUE", help="An option of the analyses or the architecture."),
]
ComparisonOut = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Folder to write; with --model by default under runs/.", rich_help_panel=OUTPUT
    ),
]
DirectionsFile = Annotated[
    Path,
    typer.Argument(
        metavar="DIRECTIONS", help="A directions file, an array or a run folder.", callback=early.given_directions
    ),
]
Step = Annotated[
    float | None, typer.Option(help="How far to move each way; by default, until the region changes visibly.")
]
ScoredRegion = Annotated[
    str | None,
    typer.Option(
        "--region",
        "-r",
        help="Where pixels are measured; by default, as when found.",
        autocompletion=completion.regions,
    ),
]
CarriedRegion = Annotated[
    str | None,
    typer.Option(
        "--region",
        "-r",
        help="Where --onto changes the photograph; by default, where the directions were found.",
        autocompletion=completion.regions,
    ),
]
ScoresOut = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Folder to write scores.json and scores.md to.", rich_help_panel=OUTPUT),
]
AnalyzerName = Annotated[
    str | None,
    typer.Option(
        "--analyzer",
        "-a",
        help="An analysis of 'zoo list --analyzers', by default sefa, and nullspace for a --region; "
        "--help -a NAME lists its options.",
        autocompletion=completion.analyzers,
        callback=early.known_analyzers,
    ),
]
AnalyzedRegion = Annotated[
    str,
    typer.Option(
        "--region",
        "-r",
        help="mouth, all, box:…, mask:FILE, a+b, not:a",
        autocompletion=completion.regions,
    ),
]
Npy = Annotated[bool, typer.Option("--npy", help="Write the directions as .npy too.", rich_help_panel=OUTPUT)]
Frames = Annotated[int, typer.Option(help="Frames of the animation, there and back.", rich_help_panel=OUTPUT)]
FramesPerSecond = Annotated[
    float, typer.Option("--fps", help="Frames a second; a GIF has at most 50.", rich_help_panel=OUTPUT)
]
Each = Annotated[
    bool,
    typer.Option("--each", help="Write every picture to a PNG too, in the model's full size.", rich_help_panel=OUTPUT),
]
Size = Annotated[
    str | None,
    typer.Option(
        metavar="PIXELS",
        help="Longer side of each picture in sheets and animations; native is the model's.",
        rich_help_panel=OUTPUT,
        autocompletion=completion.words("native"),
    ),
]


def opening_request(
    space: str | None, tuned: Path | None, device: str, dtype: str, options: list[str] | None = None
) -> "OpeningRequest":
    """Make the request for a model of the options that say how it is opened."""
    from zoo.core.options import parse_pairs
    from zoo.editing.requests import OpeningRequest

    return OpeningRequest(space=space, device=device, dtype=dtype, options=parse_pairs(options or []), tuned=tuned)


def codes_request(
    codes: Path | None,
    codes_as: str | None,
    samples: int | None,
    seed: int | None,
    seeds: str | None,
    label: str | None,
    truncation: float | None,
    usual: int = 1,
) -> "CodesRequest":
    """Make the request for codes of the options that say which; `usual` is how many are drawn otherwise."""
    from zoo.editing.requests import CodesRequest

    return CodesRequest(
        codes=codes,
        read_as=codes_as,
        samples=samples,
        seed=seed,
        seeds=seeds,
        label=label,
        truncation=truncation,
        usual=usual,
    )
