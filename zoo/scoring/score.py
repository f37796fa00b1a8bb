"""Scoring directions: moving unseen codes along them and asking scorers what changes (Shen & Zhou, CVPR 2021, 4)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from zoo._utils.progress import Progress, silent
from zoo.core.analyzer import Scorer
from zoo.core.codes import Codes
from zoo.core.directions import Directions
from zoo.core.files.directions import GivenDirections, take_directions
from zoo.core.region import Region
from zoo.core.sampling import derived_generator
from zoo.editing.changes import ENDS, ChangeMeter, Changes, render_ends
from zoo.editing.fit import check_home, region_of_directions, rows_to_move
from zoo.editing.measured import UNSEEN, MeasuredRecord, draw_unseen
from zoo.editing.requests import CodesRequest
from zoo.editing.steps import choose_steps
from zoo.errors import CapabilityError, DirectionsError, OptionError
from zoo.models.limits import check_count, check_truncation
from zoo.models.model import Model
from zoo.scoring.chance import FEWEST_CODES, Chance, measure_chance, needs_chance
from zoo.scoring.choosing import skip_scorer
from zoo.scoring.effects import measure_effect, read_attributes
from zoo.scoring.parts import ScorerImages, part_masks
from zoo.scoring.scores import DirectionScores, Scores


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
        codes: The codes to move, at least two; whatever it leaves open is as where the analysis measured the
            directions.
        step: How far to move each way; None is the step of the analysis, or else the one at which the region changes
            visibly, at most 8.
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
    measured_in = region_of_directions(model, directions, region)
    shown = replace(directions.take(show), layers=directions.layers if rows is None else rows)
    record = MeasuredRecord.read(directions, model)
    taken = _take_codes(model, codes, record, FEWEST_CODES if needs_chance(scorers) else 2)
    same_edit = (region is None or measured_in.text == directions.provenance.get("region", "all")) and (
        shown.layers == directions.layers
    )
    recorded = record.steps if record is not None and same_edit else ()
    steps = _choose_steps(model, shown, taken, measured_in, recorded) if step is None else _equal_steps(step, shown)
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
    shown = ScorerImages()
    part = part_masks(region.text, model.card, scorers, shown)
    changes, meter = ChangeMeter(region, steps, part), ScoreMeter(model, scorers, shown)
    render_ends(model, codes, directions, steps, [changes, meter], progress=progress, what="scoring codes")
    return meter.result(directions, changes.result(), codes, progress)


class ScoreMeter:
    """Scores the images of codes while they are rendered; it is an observer of `zoo.editing.changes.render_ends`.

    A scorer that fails is skipped with a warning.
    """

    def __init__(self, model: Model, scorers: Mapping[str, Scorer], shown: ScorerImages | None = None) -> None:
        self._model = model
        self._shown = shown or ScorerImages()
        self._remaining = dict(scorers)
        self._unedited: dict[str, list[Tensor]] = {name: [] for name in scorers}
        self._ends: dict[str, list[list[Tensor]]] = {name: [] for name in scorers}

    def start(self, unedited: Tensor) -> None:
        """Score a batch of codes unedited."""
        for name, scores in self._score(unedited).items():
            self._unedited[name].append(scores)
            self._ends[name].append([])

    def look(self, index: int, end: int, images: Tensor) -> None:
        """Score them at one end of a direction."""
        for name, scores in self._score(images).items():
            self._ends[name][-1].append(scores)

    def _score(self, images: Tensor) -> dict[str, Tensor]:
        """Score images by each scorer that is left; one that fails leaves."""
        scores = {}
        for name in list(self._remaining):
            try:
                scores[name] = checked_scores(self._remaining[name], self._shown.of(images))
            except Exception as error:
                skip_scorer(name, self._model.card, error)
                del self._remaining[name]
        return scores

    def result(
        self, directions: Directions, changes: Changes, codes: Codes | None = None, progress: Progress = silent
    ) -> Scores | None:
        """Compute the effects of all codes.

        Args:
            directions: The directions that were rendered.
            changes: What was measured of the same images.
            codes: The codes that were rendered, for scorers whose effects are compared with those of random
                directions; None does not compare.
            progress: Called while codes are moved along random directions.

        Returns:
            The scores; None if no scorer is left.
        """
        chance = None if codes is None else self._chance(directions, changes, codes, progress)
        if not self._remaining:
            return None
        unedited = torch.cat([torch.cat(self._unedited[name]) for name in self._remaining], dim=1)
        by_scorer = [torch.cat([torch.stack(one) for one in self._ends[name]], dim=1) for name in self._remaining]
        ends = torch.cat(by_scorer, dim=2).unflatten(0, (-1, len(ENDS)))  # (k, ends, n, columns)
        attributes = read_attributes(self._remaining)
        columns = tuple(column for scorer in self._remaining.values() for column in scorer.attributes)
        inside_and_outside = changes.by_code.mean(dim=1).tolist()
        beyond = [
            None if chance is None else chance.z((plus - minus).mean(dim=0), float(changes.by_pixel[index].mean()))
            for index, (plus, minus) in enumerate(ends)
        ]
        rows = [
            DirectionScores(
                label=directions.label(index),
                step=float(changes.steps[index]),
                effects=tuple(
                    measure_effect(attribute, unedited, minus, plus, beyond[index]) for attribute in attributes
                ),
                inside=inside_and_outside[index][0],
                outside=None if changes.region.whole else inside_and_outside[index][1],
                locality=changes.localities[index] if changes.localities else None,
                part=changes.part_localities[index] if changes.part_localities else None,
                changes=tuple((plus - minus).mean(dim=0).tolist()),
                redundancy=None if changes.redundancies is None else float(changes.redundancies[index]),
            )
            for index, (plus, minus) in enumerate(ends)
        ]
        return Scores(
            model=self._model.name,
            found_by=directions.origin,
            region=changes.region.text,
            samples=len(unedited),
            attributes=attributes,
            columns=columns,
            chance=tuple(attribute.chance(unedited) for attribute in attributes),
            channels=self._model.adapter.channels,
            directions=tuple(rows),
        )

    def _chance(self, directions: Directions, changes: Changes, codes: Codes, progress: Progress) -> Chance | None:
        """Measure what random directions change, where a scorer needs that; one that fails there leaves."""
        while needs_chance(self._remaining):
            try:
                return measure_chance(self._model, self._remaining, codes, directions, changes, progress=progress)
            except Exception as error:
                name = next(name for name, scorer in self._remaining.items() if scorer.against_random)
                skip_scorer(name, self._model.card, error)
                del self._remaining[name]
        return None


def checked_scores(scorer: Scorer, images: Tensor) -> Tensor:
    """Score images, and refuse what is no score.

    Args:
        scorer: The scorer.
        images: The images (n, 3, h, w) in [-1, 1].

    Returns:
        (n, attributes), float64 on the CPU.

    Raises:
        ValueError: If the scorer returns anything but a finite number for each image and attribute.
    """
    scores = scorer.score(images).detach().cpu().to(torch.float64)
    shape = (len(images), len(scorer.attributes))
    if tuple(scores.shape) != shape or not bool(torch.isfinite(scores).all()):
        raise ValueError(f"scores of shape {tuple(scores.shape)}, but finite ones of shape {shape} are needed")
    return scores


def _take_codes(model: Model, codes: CodesRequest, record: MeasuredRecord | None, fewest: int) -> Codes:
    """Take codes that were given, or draw some that no analysis draws from the same seed; `fewest` at least.

    Whatever the request leaves open is as in the record, so that by default they are the very codes at which the
    analysis measured the directions.
    """
    if codes.codes is not None or codes.seeds is not None:
        taken = codes.take(model)
        option = "--seeds" if codes.codes is None else "--codes"
        check_count(f"{option}: the number of codes", len(taken), fewest)
        return taken
    if record is not None and record.codes < 2:
        record = None
    if record is not None:
        codes = replace(
            codes,
            samples=max(record.codes, fewest) if codes.samples is None else codes.samples,
            seed=record.seed if codes.seed is None else codes.seed,
            truncation=record.truncation if codes.truncation is None else codes.truncation,
        )
    codes.check()
    check_count("--samples", codes.count, fewest)
    if record is None or codes.label is not None:
        return codes.take(model, derived_generator(codes.seed_or_zero, UNSEEN))
    check_truncation(codes.truncation)
    return draw_unseen(model.adapter, codes.count, codes.seed_or_zero, record.labels, codes.truncation)


def _equal_steps(step: float, directions: Directions) -> Tensor:
    if not 0 < step < math.inf:
        raise OptionError(f"--step {step:g}: it is a finite number above 0")
    return torch.full((len(directions),), step, dtype=torch.float64)


def _choose_steps(
    model: Model, directions: Directions, codes: Codes, region: Region, recorded: Sequence[float]
) -> Tensor:
    """Return steps (k,): those of the record, and beyond them the ones that change the region visibly."""
    known = torch.tensor(recorded[: len(directions)], dtype=torch.float64)
    if len(known) == len(directions):
        return known
    return torch.cat([known, choose_steps(model.adapter, codes, directions, region)[len(known) :]])
