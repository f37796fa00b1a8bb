"""The bench as a function, for Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo._utils.progress import Progress, silent
from zoo.bench.request import BenchRequest
from zoo.bench.result import Bench
from zoo.editing.requests import OpeningRequest
from zoo.models.model import Model
from zoo.registry.registry import load_installation
from zoo.scoring.choosing import ScorerChoice


def bench(
    model: str | Path | Model,
    *,
    analyzers: Sequence[str] | None = None,
    region: str | None = None,
    samples: int = 16,
    unseen: int = 32,
    readings: int = 1000,
    pictures: int = 2,
    repetitions: int = 5,
    draws: int = 20,
    show: int = 5,
    seed: int = 0,
    label: str | None = None,
    truncation: float | None = None,
    scorer: str | None = None,
    out: str | Path | None = None,
    force: bool = False,
    progress: Progress = silent,
    **options: Any,
) -> Bench:
    """Compare analyses on a model, between random directions and supervised ones.

    Args:
        model: A model, the name of a card, or the path of a weights file.
        analyzers: The analyses, each perhaps with options, as ``nullspace:basis=published``; None is all installed.
        region: The region to edit; None is the model's mouth, or its first one, or the middle.
        samples: How many codes are analysed in each repetition.
        unseen: How many unseen codes directions are measured at, at least 2.
        readings: How many codes scorers read, at least 50.
        pictures: How many pictures are projected in each repetition; 0 leaves that table out.
        repetitions: How often everything is drawn anew.
        draws: How many sets of random directions are drawn, over all repetitions.
        show: How many directions of each method are measured, at least 2.
        seed: The seed of the first repetition; the others have the next ones.
        label: The class of a conditional model.
        truncation: The truncation of drawn codes, 0 (the mean) to 2.
        scorer: The name of the scorer whose attributes tables are about; None asks all that fit the model.
        out: The folder to write; None writes none.
        force: Replace an existing run folder.
        progress: Called while the work goes on.
        **options: Options of the scorer, and of the architecture of a model that is opened here.

    Returns:
        The result.

    Raises:
        OutputError: If the folder exists and may not be replaced, or cannot be written.
        ZooError: Whatever is wrong with the other arguments.
    """
    installation = load_installation()
    request = BenchRequest(
        model=model.name if isinstance(model, Model) else str(model),
        analyzers=analyzers,
        region=region,
        samples=samples,
        unseen=unseen,
        readings=readings,
        pictures=pictures,
        repetitions=repetitions,
        draws=draws,
        show=show,
        seed=seed,
        label=label,
        truncation=truncation,
        scorer=ScorerChoice(name=scorer),
        opening=OpeningRequest(options=options),
        out=None if out is None else Path(out),
        force=force,
    )
    request = request.with_scorer(installation)
    opened = model if isinstance(model, Model) else request.opening.open(model, installation, progress)
    if out is None:
        return request.measure(opened, installation, progress=progress)
    return request.run(installation, progress, opened)
