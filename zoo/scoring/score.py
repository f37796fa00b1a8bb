"""Scoring directions: moving unseen codes along them and asking scorers what changes (re-scoring, Shen & Zhou 2021)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo._utils.progress import Progress, silent
from zoo.core.analyzer import Scorer
from zoo.core.codes import Codes, derived_generator
from zoo.core.directions import Directions
from zoo.core.region import Region
from zoo.editing.edit import check_home, rows_to_move
from zoo.editing.locality import squared_change, visible_steps
from zoo.editing.render import render, render_batch_size
from zoo.errors import CapabilityError, DirectionsError, OptionError, RegionError, ZooError
from zoo.models.model import Model, check_count, check_seed
from zoo.scoring.effects import measure_effect, read_attributes, skip_scorer
from zoo.scoring.scores import DirectionScores, Scores

_CODES_FOR_STEPS = 4


def score(
    model: Model,
    directions: Directions | str | Path,
    scorers: Mapping[str, Scorer],
    *,
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
    """Score the first `show` directions by scorers that fit the model; see `zoo.score` for the rest.

    Raises `CapabilityError` where every scorer fails.
    """
    check_count("--show", show)
    space = model.adapter.space
    found = directions if isinstance(directions, Directions) else Directions.load(directions, space=space)
    if not len(found):
        raise DirectionsError("there is no direction to score")
    check_home(model, found)
    rows, where = rows_to_move(model, layers), _region(model, found, region)
    shown = replace(found.take(show), layers=found.layers if rows is None else rows)
    chosen = _codes(model, codes, samples=samples, seed=seed, label=label, truncation=truncation)
    steps = _steps(model, shown, chosen, where, step)
    made = measure_scores(model, scorers, chosen, shown, steps=steps, region=where, progress=progress)
    if made is None:
        raise CapabilityError(f"no scorer is left for {model.name}: each that fits failed")
    return made


def measure_scores(
    model: Model,
    scorers: Mapping[str, Scorer],
    codes: Codes,
    directions: Directions,
    *,
    steps: Tensor,
    region: Region,
    progress: Progress = silent,
) -> Scores | None:
    """Score directions, each moved by its own of `steps` (k,) both ways from at least two codes.

    A scorer that fails, or returns anything but a finite number for each image and attribute, is skipped with a
    warning; None where none is left, or there is no direction.
    """
    if not len(directions):
        return None
    asked, inside, said = dict(scorers), torch.from_numpy(region.mask.copy()), []
    size = render_batch_size(model.adapter)
    for start in range(0, len(codes), size):
        progress(start, len(codes), "scoring codes")
        said.append(_ask(model, asked, _moves(model, codes[start : start + size], directions, steps), inside))
        if not asked:
            return None
    progress(len(codes), len(codes), "scoring codes")
    scores = torch.cat([torch.cat([one.scores[name] for one in said], dim=1) for name in asked], dim=2)
    squares = torch.cat([one.squares for one in said], dim=1).mean(dim=1)
    attributes = read_attributes(asked)
    rows = zip(steps.tolist(), scores[1::2], scores[2::2], (squares[::2] + squares[1::2]) / 2, strict=True)
    return Scores(
        model=model.name,
        found_by=directions.origin,
        region=region.text,
        samples=len(codes),
        attributes=attributes,
        columns=tuple(column for scorer in asked.values() for column in scorer.attributes),
        chance=tuple(attribute.chance(scores[0]) for attribute in attributes),
        directions=tuple(
            DirectionScores(
                step=step,
                effects=tuple(measure_effect(attribute, scores[0], minus, plus) for attribute in attributes),
                inside=float(changes[0]),
                outside=None if region.whole else float(changes[1]),
                changes=tuple((plus - minus).mean(dim=0).tolist()),
            )
            for step, plus, minus, changes in rows
        ),
    )


def _moves(model: Model, codes: Codes, directions: Directions, steps: Tensor) -> Iterator[Codes]:
    """List codes unedited, then moved by +step and −step along each direction."""
    yield codes
    for vector in (steps[:, None] * directions.vectors).to(codes.latents):
        for sign in (1, -1):
            yield model.adapter.move(codes, sign * vector, directions.layers)


@dataclass(frozen=True, eq=False)
class _Said:
    """What scorers say of n codes: scores (1 + 2k, n, columns) of each, and how pixels change (2k, n, 2)."""

    scores: dict[str, Tensor]
    squares: Tensor


def _ask(model: Model, asked: dict[str, Scorer], moves: Iterator[Codes], inside: Tensor) -> _Said:
    """Render a few codes, unedited and then moved, and score them; a scorer that fails is taken out of `asked`."""
    scores: dict[str, list[Tensor]] = {name: [] for name in asked}
    before = render(model, next(moves))
    squares = []
    for images in chain([before], (render(model, moved) for moved in moves)):
        squares.append(torch.stack([squared_change(change, inside) for change in images - before]))
        for name in list(asked):
            try:
                scores[name].append(_scores(asked[name], images.clamp(-1, 1)))
            except Exception as error:
                skip_scorer(name, model.card, error)
                del asked[name]
        if not asked:
            break
    return _Said({name: torch.stack(scores[name]) for name in asked}, torch.stack(squares)[1:])


def _scores(scorer: Scorer, images: Tensor) -> Tensor:
    """Score images (n, 3, h, w): (n, attributes) float64. Raises `ValueError` for anything but finite numbers."""
    found = scorer.score(images).detach().cpu().to(torch.float64)
    wanted = (len(images), len(scorer.attributes))
    if tuple(found.shape) != wanted or not bool(torch.isfinite(found).all()):
        raise ValueError(f"scores of shape {tuple(found.shape)}, but finite ones of shape {wanted} are needed")
    return found


def _region(model: Model, directions: Directions, asked: str | None) -> Region:
    """Take the region that was asked for, or else the one that the directions were found for."""
    if asked is not None:
        return model.region(asked)
    told = directions.provenance.get("region", "all")
    try:
        return model.region(told if isinstance(told, str) else "all")
    except ZooError as error:
        raise RegionError(f"the region of these directions cannot be read here ({error}): pass --region") from None


def _codes(model: Model, codes: Codes | str | Path | None, *, samples: int, seed: int, **drawing: Any) -> Codes:
    """Take the codes that were given, or draw some that no analysis draws from the same seed; two at least."""
    if codes is None:
        check_count("--samples", samples, 2)
        return model.draw(samples, derived_generator(check_seed(seed), "codes for scores"), **drawing)
    taken = model.take_codes(codes, label=drawing["label"])
    check_count("--codes: the number of codes", len(taken), 2)
    return taken


def _steps(model: Model, directions: Directions, codes: Codes, region: Region, step: float | None) -> Tensor:
    """Return steps (k,): `step`, or those that change the region visibly, the median over the first codes of each."""
    if step is not None:
        if not 0 < step < math.inf:
            raise OptionError(f"--step {step:g}: it is a finite number above 0")
        return torch.full((len(directions),), step, dtype=torch.float64)
    few = [codes[index] for index in range(min(_CODES_FOR_STEPS, len(codes)))]
    found = [visible_steps(model.adapter, code, directions.vectors, region, directions.layers) for code in few]
    return torch.stack(found).quantile(0.5, dim=0)
