"""The functions of the Python interface: `load`, `sample`, `analyze`, `edit`, `compare`, `score`, `find`, `project`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo._utils.paths import expand_home
from zoo._utils.progress import Progress, silent
from zoo.analysis.compare import compare
from zoo.analysis.find_request import find
from zoo.analysis.request import AnalysisRequest, usual_analyzer
from zoo.analysis.run import run_analysis
from zoo.core.analyzer import Scorer
from zoo.core.directions import Directions
from zoo.core.files.codes import GivenCodes
from zoo.core.files.directions import GivenDirections
from zoo.editing.edit import edit
from zoo.editing.requests import USUAL_OPENING, CodesRequest, OpeningRequest, as_path
from zoo.editing.samples import sample
from zoo.engines.engine import engine_of
from zoo.errors import AnalysisWarning, OptionError
from zoo.inversion.request import project
from zoo.models.model import Model
from zoo.registry.registry import load_installation
from zoo.scoring.choosing import ScorerChoice, choose_scorers
from zoo.scoring.score import score as score_directions
from zoo.scoring.scores import Scores

__all__ = ["analyze", "compare", "edit", "find", "load", "project", "sample", "score"]


def load(
    name: str | Path,
    *,
    space: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
    registry: Iterable[str | Path] = (),
    options: Mapping[str, Any] | None = None,
    tuned: str | Path | None = None,
) -> Model:
    """Open a model.

    Weights are fetched into the cache on first use; the licence is printed to standard error before they are used.

    Args:
        name: The name of a card (``dcgan.digiface64``, or ``dcgan`` for the default one), or a weights file.
        space: The latent space; None is the family's usual one.
        device: ``cpu``, ``cuda``, ``cuda:1`` …; ``auto`` is CUDA where there is one.
        dtype: ``float32`` or ``float64``.
        registry: Further registry files.
        options: Options of the architecture.
        tuned: Weights tuned for pictures: a file of ``zoo project --tune``, or its run folder.

    Returns:
        The model.

    Raises:
        UnknownNameError: If there is no such card or file.
        WeightsError: If the weights cannot be fetched, or are not the card's.
        CheckpointError: If the file cannot be read as weights of a known architecture; or if tuned weights belong to
            others, or do not fit.
        OptionError: If an option, the device or the dtype is not one of the choices.
        CardError: If card and file differ.
    """
    opening = OpeningRequest(space=space, device=device, dtype=dtype, options=options or {}, tuned=tuned)
    return opening.open(name, load_installation(registry))


def analyze(
    model: Model | str | Path,
    analyzer: str | None = None,
    *,
    region: str = "all",
    samples: int | None = None,
    seed: int | None = None,
    seeds: str | Sequence[int] | None = None,
    codes: GivenCodes | None = None,
    layers: str | Sequence[int] | None = None,
    label: int | str | None = None,
    truncation: float | None = None,
    show: int = 5,
    unseen: int = 32,
    scorer: str | None = None,
    out: str | Path | None = None,
    force: bool = False,
    each: bool = False,
    memory: str | int | None = None,
    keep: bool = True,
    on: str | None = None,
    address: str | None = None,
    jobs: int | None = None,
    space: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
    tuned: str | Path | None = None,
    registry: Iterable[str | Path] = (),
    progress: Progress = silent,
    **options: Any,
) -> Directions:
    """Find directions in a model's latent space.

    Args:
        model: A model, the name of a card, or a weights file.
        analyzer: The name of the analyzer; None is ``sefa``, and ``nullspace`` for a region other than ``all``.
        region: The region of the image, such as ``mouth`` or ``box:8,8,16,16``.
        samples: How many codes to draw; None is 1.
        seed: The seed of everything that is drawn; None is 0.
        seeds: Draw one code with each of these seeds instead, such as ``1,2,3`` or ``1-8``.
        codes: The codes to analyse, a file or an array of them; None draws them.
        layers: The rows of the code that directions move, such as ``4-7``, ``coarse`` or indices; None is all.
        label: The class of a conditional model, by name or index.
        truncation: The truncation of drawn codes, 0 (the mean) to 2.
        show: The locality of so many directions is measured and recorded in the provenance.
        unseen: It is measured on so many unseen codes as well.
        scorer: The name of the scorer that names directions; None asks all that fit the model.
        out: The run folder to write; None writes nothing.
        force: Replace an existing run folder.
        each: Write every picture of the sheet to a PNG of its own too, in the size that the network draws.
        memory: How much derivatives may use, in bytes or as text such as ``2GB``; None is what the usual chunk needs.
        keep: Use the cache of Jacobians.
        on: Share the derivatives out to processes of this machine, ``local``, or of a Ray cluster, ``ray``; None takes
            them in this one. The processes open the model by its name.
        address: The address of the cluster; None looks for one, or starts one on this machine.
        jobs: How many processes there are; None is one for each core, or for each GPU.
        space: The latent space of a model that is given by name, as in `load`.
        device: Its device.
        dtype: Its dtype.
        tuned: Weights tuned for pictures, likewise.
        registry: Further registry files.
        progress: Called while the work goes on.
        **options: Options of the analyzer, of the scorer that is named, and of the architecture of a model that is
            given by name.

    Returns:
        The directions, strongest first.

    Raises:
        OptionError: `model` is an opened model, and an argument of `zoo.load` is given as well.
        ZooError: Whatever is wrong with the request; the message says what to do.
    """
    opening = OpeningRequest(space=space, device=device, dtype=dtype, tuned=tuned)
    if isinstance(model, Model) and (registry or opening != USUAL_OPENING):
        raise OptionError(f"{model.name} is open already: pass space, device, dtype, tuned and registry to zoo.load")
    request = AnalysisRequest(
        analyzer=analyzer or usual_analyzer(region),
        region=region,
        codes=CodesRequest(
            codes=as_path(codes), samples=samples, seed=seed, seeds=seeds, label=label, truncation=truncation
        ),
        layers=layers,
        options=options,
        show=show,
        unseen=unseen,
        scorer=ScorerChoice(name=scorer),
    )
    run = run_analysis(
        request,
        model,
        load_installation(registry),
        opening=opening,
        out=None if out is None else expand_home(out),
        force=force,
        each=each,
        memory=memory,
        keep=keep,
        engine=engine_of(on, address, jobs),
        progress=progress,
    )
    for note in run.notes:
        warnings.warn(note, AnalysisWarning, stacklevel=2)
    return run.directions


def score(
    model: Model,
    directions: GivenDirections,
    *,
    scorer: str | Scorer | None = None,
    codes: GivenCodes | None = None,
    samples: int | None = None,
    seed: int | None = None,
    seeds: str | Sequence[int] | None = None,
    label: int | str | None = None,
    truncation: float | None = None,
    step: float | None = None,
    region: str | None = None,
    layers: str | Sequence[int] | None = None,
    show: int = 5,
    read_as: str | None = None,
    progress: Progress = silent,
    **options: Any,
) -> Scores:
    """Measure which known attributes directions change (the re-scoring of Shen & Zhou, CVPR 2021, 4).

    Each direction moves every code by `step` both ways, and the scorers say what differs between the two ends.

    Args:
        model: The model whose codes are moved.
        directions: The directions, a file of them, a run folder, or an array.
        scorer: The name of a scorer, a scorer of your own, or None for all that fit the model.
        codes: The codes to move, a file or an array of them, at least two; None draws codes that no analysis has seen.
        samples: How many codes to draw; None is 128.
        seed: The seed that they are drawn with; None is 0.
        seeds: Draw one code with each of these seeds instead, such as ``1,2,3`` or ``1-8``.
        label: The class of a conditional model, by name or index.
        truncation: The truncation of drawn codes, 0 (the mean) to 2.
        step: How far to move each way; None is the step, at most 8, at which the mean squared change inside the region
            is 0.02, the median over four codes.
        region: Where changes of pixels are measured; None is the region that the directions were found for.
        layers: The rows of the code that are moved; None is those that the directions were found for.
        show: How many directions are scored.
        read_as: How to read a file or an array of directions whose shape leaves it open; see `Directions.load`.
        progress: Called while codes are scored.
        **options: Options of the scorer that is named.

    Returns:
        The scores.

    Raises:
        CapabilityError: If no scorer fits the model, or every one fails.
        ZooError: Whatever is wrong with the other arguments.
    """
    if isinstance(scorer, Scorer):
        scorers = {type(scorer).__name__: scorer}
    else:
        choice = ScorerChoice(name=scorer, options=options)
        scorers = choose_scorers(model.card, load_installation().plugins, choice)
    return score_directions(
        model,
        directions,
        scorers,
        codes=CodesRequest(
            codes=as_path(codes),
            samples=samples,
            seed=seed,
            seeds=seeds,
            label=label,
            truncation=truncation,
            usual=128,
        ),
        step=step,
        region=region,
        layers=layers,
        show=show,
        read_as=read_as,
        progress=progress,
    )
