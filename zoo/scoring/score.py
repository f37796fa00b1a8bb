"""Scoring directions: moving unseen codes along them and asking scorers what changes (Shen & Zhou, CVPR 2021, 4)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import torch
from torch import Tensor

from zoo._utils.progress import Progress, silent
from zoo.core.analyzer import Scorer
from zoo.core.channels import as_rgb
from zoo.core.codes import Codes
from zoo.core.directions import Directions
from zoo.core.files.directions import GivenDirections, take_directions
from zoo.core.region import Region
from zoo.core.sampling import derived_generator
from zoo.editing.fit import check_home, rows_to_move
from zoo.editing.locality import squared_change, visible_steps
from zoo.editing.render import render, render_batch_size
from zoo.editing.requests import CodesRequest
from zoo.errors import CapabilityError, DirectionsError, OptionError, RegionError, ZooError
from zoo.models.limits import check_count
from zoo.models.model import Model
from zoo.scoring.effects import measure_effect, read_attributes, skip_scorer
from zoo.scoring.scores import DirectionScores, Scores

_CODES_FOR_STEPS = 4


def score(
    model: Model,
    directions: GivenDirections,
    scorers: Mapping[str, Scorer],
    *,
    codes: CodesRequest,
    step: float | None = None,
    region: str | None = None,
    layers: str | Sequence[int] | None = None,
    show: int = 5,
    read_as: str | None = None,
    progress: Progress = silent,
) -> Scores:
    """Score the first directions of a set.

    Args:
        model: The model whose codes are moved.
        directions: The directions, a file or an array of them.
        scorers: Scorers that fit the model, by name.
        codes: The codes to move, at least two; drawn ones are none that an analysis draws from the same seed.
        step: How far to move each way; None is the step at which the region changes visibly, at most 8.
        region: Where changes of pixels are measured; None is the region that the directions were found for.
        layers: The rows of the code that are moved; None is those that the directions were found for.
        show: How many directions are scored.
        read_as: How to read a file or an array of directions whose shape leaves it open; see `Directions.load`.
        progress: Called while codes are scored.

    Returns:
        The scores.

    Raises:
        CapabilityError: If every scorer fails.
        ZooError: Whatever is wrong with the other arguments.
    """
    check_count("--show", show)
    directions = take_directions(directions, model.adapter.space, read_as)
    if not len(directions):
        raise DirectionsError("there is no direction to score")
    check_home(model, directions)
    rows = rows_to_move(model, layers)
    measured_in = _region(model, directions, region)
    shown = replace(directions.take(show), layers=directions.layers if rows is None else rows)
    taken = _take_codes(model, codes)
    steps = _choose_steps(model, shown, taken, measured_in, step)
    scores = measure_scores(model, scorers, taken, shown, steps=steps, region=measured_in, progress=progress)
    if scores is None:
        raise CapabilityError(f"no scorer is left for {model.name}: each that fits failed")
    return scores


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
    """Score directions, each moved by its own step both ways.

    A scorer that fails, or returns anything but a finite number for each image and attribute, is skipped with a
    warning.

    Args:
        model: The model.
        scorers: Scorers that fit the model, by name.
        codes: The codes to move, at least two.
        directions: The directions (k).
        steps: How far each is moved (k,).
        region: Where changes of pixels are measured.
        progress: Called after each batch of codes.

    Returns:
        The scores; None if no scorer is left, or there is no direction.
    """
    if not len(directions):
        return None
    remaining = dict(scorers)
    inside = torch.from_numpy(region.mask.copy())
    size = render_batch_size(model.adapter)
    batches = []
    for start in range(0, len(codes), size):
        progress(start, len(codes), "scoring codes")
        moves = _moves(model, codes[start : start + size], directions, steps)
        batches.append(_score_batch(model, remaining, moves, inside))
        if not remaining:
            return None
    progress(len(codes), len(codes), "scoring codes")
    return _gather(model, remaining, directions, batches, steps=steps, region=region)


@dataclass(frozen=True, eq=False)
class _Batch:
    """Scores (1 + 2k, n, columns) of n codes by each scorer, and the changes of their pixels (2k, n, 2)."""

    scores: dict[str, Tensor]
    squares: Tensor


def _gather(
    model: Model,
    scorers: Mapping[str, Scorer],
    directions: Directions,
    batches: Sequence[_Batch],
    *,
    steps: Tensor,
    region: Region,
) -> Scores:
    """Compute the effects of all codes from the scores of each batch."""
    scores = torch.cat([torch.cat([batch.scores[name] for batch in batches], dim=1) for name in scorers], dim=2)
    squares = torch.cat([batch.squares for batch in batches], dim=1).mean(dim=1)
    # the first is unedited; then +step and −step alternate
    unedited, plus, minus = scores[0], scores[1::2], scores[2::2]
    both_ends = (squares[::2] + squares[1::2]) / 2
    attributes = read_attributes(scorers)
    return Scores(
        model=model.name,
        found_by=directions.origin,
        region=region.text,
        samples=scores.shape[1],
        attributes=attributes,
        columns=tuple(column for scorer in scorers.values() for column in scorer.attributes),
        chance=tuple(attribute.chance(unedited) for attribute in attributes),
        channels=model.adapter.channels,
        directions=tuple(
            DirectionScores(
                step=float(steps[index]),
                effects=tuple(
                    measure_effect(attribute, unedited, minus[index], plus[index]) for attribute in attributes
                ),
                inside=float(both_ends[index, 0]),
                outside=None if region.whole else float(both_ends[index, 1]),
                changes=tuple((plus[index] - minus[index]).mean(dim=0).tolist()),
            )
            for index in range(len(directions))
        ),
    )


def _moves(model: Model, codes: Codes, directions: Directions, steps: Tensor) -> Iterator[Codes]:
    """List codes unedited, then moved by +step and −step along each direction."""
    yield codes
    for step, vector in zip(steps, directions.vectors, strict=True):
        delta = (step * vector).to(codes.latents)
        for sign in (1, -1):
            yield model.adapter.move(codes, sign * delta, directions.layers)


def _score_batch(model: Model, remaining: dict[str, Scorer], moves: Iterator[Codes], inside: Tensor) -> _Batch:
    """Render a few codes, unedited and then moved, and score them; a scorer that fails leaves `remaining`."""
    scores: dict[str, list[Tensor]] = {name: [] for name in remaining}
    unedited = render(model, next(moves))
    squares = []
    for images in chain([unedited], (render(model, moved) for moved in moves)):
        squares.append(torch.stack([squared_change(change, inside) for change in as_rgb(images) - as_rgb(unedited)]))
        for name in list(remaining):
            try:
                scores[name].append(_checked_scores(remaining[name], as_rgb(images.clamp(-1, 1))))
            except Exception as error:
                skip_scorer(name, model.card, error)
                del remaining[name]
        if not remaining:
            break
    return _Batch({name: torch.stack(scores[name]) for name in remaining}, torch.stack(squares)[1:])


def _checked_scores(scorer: Scorer, images: Tensor) -> Tensor:
    """Score images (n, 3, h, w): (n, attributes) float64. Raises `ValueError` for anything but finite numbers."""
    scores = scorer.score(images).detach().cpu().to(torch.float64)
    shape = (len(images), len(scorer.attributes))
    if tuple(scores.shape) != shape or not bool(torch.isfinite(scores).all()):
        raise ValueError(f"scores of shape {tuple(scores.shape)}, but finite ones of shape {shape} are needed")
    return scores


def _region(model: Model, directions: Directions, text: str | None) -> Region:
    """Read the region that was asked for, or else the one that the directions were found for."""
    if text is not None:
        return model.region(text)
    recorded = directions.provenance.get("region", "all")
    try:
        return model.region(recorded if isinstance(recorded, str) else "all")
    except ZooError as error:
        raise RegionError(f"the region of these directions cannot be read here ({error}): pass --region") from None


def _take_codes(model: Model, codes: CodesRequest) -> Codes:
    """Take codes that were given, or draw some that no analysis draws from the same seed; two at least."""
    if codes.codes is None and codes.seeds is None:
        check_count("--samples", codes.count, 2)
        return codes.take(model, derived_generator(codes.seed_or_zero, "codes for scores"))
    taken = codes.take(model)
    option = "--seeds" if codes.codes is None else "--codes"
    check_count(f"{option}: the number of codes", len(taken), 2)
    return taken


def _choose_steps(model: Model, directions: Directions, codes: Codes, region: Region, step: float | None) -> Tensor:
    """Return steps (k,): `step`, or those that change the region visibly, the median over the first codes of each."""
    if step is not None:
        if not 0 < step < math.inf:
            raise OptionError(f"--step {step:g}: it is a finite number above 0")
        return torch.full((len(directions),), step, dtype=torch.float64)
    few = [codes[index] for index in range(min(_CODES_FOR_STEPS, len(codes)))]
    by_code = [visible_steps(model.adapter, code, directions.vectors, region, directions.layers) for code in few]
    return torch.stack(by_code).quantile(0.5, dim=0)
