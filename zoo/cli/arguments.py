"""The arguments and options of the commands that run a network: those that several share, and those with long help."""

from pathlib import Path
from typing import Annotated

import typer

ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="A model of 'zoo list', or a weights file.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1 …; auto is CUDA where there is one.")]
Dtype = Annotated[str, typer.Option(help="float32 or float64.")]
Seed = Annotated[int | None, typer.Option(help="Seed of everything that is drawn; by default 0.")]
Seeds = Annotated[
    str | None, typer.Option(metavar="LIST", help="Draw one code with each of these seeds: 1,2,3 or 1-8.")
]
Samples = Annotated[int | None, typer.Option(help="How many codes to draw; by default 1.")]
DrawnSamples = Annotated[int | None, typer.Option("--samples", help="How many codes to draw; by default 16.")]
ScoredSamples = Annotated[int | None, typer.Option("--samples", help="How many codes to draw; by default 128.")]
CodesFile = Annotated[Path | None, typer.Option("--codes", metavar="FILE", help="Read codes instead of drawing them.")]
Space = Annotated[str | None, typer.Option(help="Latent space; by default the family's usual one.")]
Layers = Annotated[str | None, typer.Option(help="Rows of the code, such as 4-7 or 0,2,5-6.")]
Label = Annotated[str | None, typer.Option(help="Class of a conditional model, by name or index.")]
Truncation = Annotated[float | None, typer.Option(help="Truncation of what is drawn; 0 is the mean, 1 none.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder to write; by default under runs/.")]
Option = Annotated[list[str] | None, typer.Option("-o", metavar="NAME=VALUE", help="An option of the architecture.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a folder that an earlier run wrote.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

AnalysisOption = Annotated[
    list[str] | None,
    typer.Option("-o", metavar="NAME=VALUE", help="An option of the analyzer or the architecture."),
]
Memory = Annotated[
    str | None, typer.Option(metavar="SIZE", help="A budget for derivatives, such as 2GB; less is slower.")
]
Keep = Annotated[
    bool,
    typer.Option("--keep/--no-keep", help="Keep Jacobians in the cache, and use those that are there."),
]
MoveTexts = Annotated[
    list[str],
    typer.Argument(metavar="DIRECTIONS", help="Directions files or run folders; FILE:0,2 takes some of them."),
]
Index = Annotated[
    str, typer.Option("--index", help="Which directions, where FILE alone is given: 0,2, or 0=2,3=-1.5 weighted.")
]
Together = Annotated[bool, typer.Option("--together", help="Move along all of them at once, in proportion.")]
Video = Annotated[str, typer.Option(help="auto, none, gif, mp4 or both; auto is both where MP4 can be made.")]
EditSamples = Annotated[
    int | None, typer.Option(help="How many codes to draw; by default, a run folder's own codes are used, else 4.")
]
SideA = Annotated[
    Path,
    typer.Argument(metavar="A", help="A directions file, an .npy array, a run folder; or an analysis of --model."),
]
ComparedModel = Annotated[
    str | None, typer.Option("--model", help="Show both sets side by side in this model, and analyse it.")
]
AnalysesRegion = Annotated[str | None, typer.Option("--region", "-r", help="Region of the analyses; by default all.")]
AnalysesOption = Annotated[
    list[str] | None,
    typer.Option("-o", metavar="NAME=VALUE", help="An option of the analyses or the architecture."),
]
ComparisonOut = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Folder to write; with --model by default under runs/.")
]
DirectionsFile = Annotated[
    Path, typer.Argument(metavar="DIRECTIONS", help="A directions file, an .npy array or a run folder.")
]
ScorerName = Annotated[
    str | None, typer.Option("--scorer", help="One of 'zoo list --scorers'; by default, all that fit the model.")
]
Step = Annotated[
    float | None, typer.Option(help="How far to move each way; by default, until the region changes visibly.")
]
ScoredRegion = Annotated[
    str | None, typer.Option("--region", "-r", help="Where pixels are measured; by default, as when found.")
]
ScoresOut = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Folder to write scores.json and scores.md to.")
]
