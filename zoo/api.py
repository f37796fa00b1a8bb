"""The verbs of the Python interface: `load`, `analyze`, `edit`, `compare`, `score`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo._utils.progress import Progress, silent
from zoo.analysis import run
from zoo.analysis.compare import compare
from zoo.analysis.request import AnalysisRequest
from zoo.core.analyzer import Scorer
from zoo.core.codes import Codes
from zoo.core.directions import Directions
from zoo.editing.edit import edit
from zoo.errors import OptionError
from zoo.models.model import Model
from zoo.models.opening import open_model
from zoo.registry.registry import load_installation
from zoo.scoring.effects import choose_scorers
from zoo.scoring.score import score as score_directions
from zoo.scoring.scores import Scores

__all__ = ["analyze", "compare", "edit", "load", "score"]

_USUAL = {"space": None, "device": "auto", "dtype": "float32"}


def load(
    name: str | Path,
    *,
    space: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
    registry: Iterable[str | Path] = (),
    options: Mapping[str, Any] | None = None,
) -> Model:
    """Open a model by its card's name (``dcgan.digiface64``, or ``dcgan`` for the default one) or from a weights file.

    Weights are fetched into the cache on first use; the licence is printed to standard error before they are used.
    `space` None is the family's usual one, `device` ``auto`` is CUDA where there is one, `dtype` is ``float32`` or
    ``float64``; `registry` names further registry files. Raises a `ZooError` that says what to do.
    """
    return open_model(name, load_installation(registry), space=space, device=device, dtype=dtype, options=options)


def analyze(
    model: Model | str | Path,
    analyzer: str = "sefa",
    *,
    region: str = "all",
    samples: int = 1,
    seed: int = 0,
    codes: Codes | str | Path | None = None,
    layers: str | Sequence[int] | None = None,
    label: int | str | None = None,
    truncation: float | None = None,
    show: int = 5,
    unseen: int = 4,
    out: str | Path | None = None,
    force: bool = False,
    memory: str | int | None = None,
    keep: bool = True,
    space: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
    registry: Iterable[str | Path] = (),
    progress: Progress = silent,
    **options: Any,
) -> Directions:
    """Find directions in a model's latent space; `options` are the analyzer's own.

    `samples` codes are drawn with `seed`, unless `codes` are given. The locality of the first `show` directions is
    measured at those codes and at `unseen` further ones, and kept in the provenance. With `out`, the run folder is
    written too. `memory` is a budget for derivatives, in bytes or as text such as ``2GB``; `keep` says whether
    Jacobians are kept in the cache and looked up there. `space`, `device`, `dtype` and `registry` open a model that is
    given by name, as in `load`. Raises a `ZooError` that says what to do.
    """
    loading: dict[str, Any] = {"space": space, "device": device, "dtype": dtype}
    if isinstance(model, Model) and (registry or loading != _USUAL):
        raise OptionError(f"{model.name} is open already: pass {', '.join(_USUAL)} and registry to zoo.load")
    question = AnalysisRequest(
        analyzer=analyzer,
        region=region,
        samples=samples,
        seed=seed,
        codes=Path(codes) if isinstance(codes, str) else codes,
        layers=layers,
        label=label,
        truncation=truncation,
        options=options,
        show=show,
        unseen=unseen,
    )
    folder = None if out is None else Path(out)
    installation = load_installation(registry)
    done = run.run_analysis(
        question, model, installation, out=folder, force=force, memory=memory, keep=keep, progress=progress, **loading
    )
    return done.directions


def score(
    model: Model,
    directions: Directions | str | Path,
    *,
    scorer: str | Scorer | None = None,
    codes: Codes | str | Path | None = None,
    samples: int = 128,
    seed: int = 0,
    label: int | str | None = None,
    truncation: float | None = None,
    step: float | None = None,
    region: str | None = None,
    layers: str | Sequence[int] | None = None,
    show: int = 5,
    progress: Progress = silent,
) -> Scores:
    """Measure what directions change by attributes that are known (the re-scoring of Shen & Zhou, CVPR 2021, 4).

    Each of the first `show` directions moves every code by `step` both ways, and the scorers say what differs between
    the two ends; without a `step`, by the one at which the mean squared change inside the region is 0.02 (the median of
    four codes, at most 8). `samples` codes are drawn that no analysis has seen, whatever the seed, unless `codes` are
    given. `scorer` is a name, a scorer of your own, or None for all that fit the model. `region`, by default the one
    that the directions were found for, tells where changes of pixels are measured; `layers` the rows to move instead of
    their own. Raises `CapabilityError` where no scorer fits, and whatever is wrong with the rest.
    """
    if isinstance(scorer, Scorer):
        scorers = {type(scorer).__name__: scorer}
    else:
        scorers = choose_scorers(model.card, load_installation().plugins, scorer)
    return score_directions(
        model,
        directions,
        scorers,
        codes=codes,
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
