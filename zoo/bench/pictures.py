"""The pictures of one method: rendered once, at several strengths, for all tables."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from zoo.bench.trial import Trial
from zoo.core.codes import Codes
from zoo.core.directions import Directions
from zoo.editing.changes import ChangeMeter, Changes, Observer, render_ends
from zoo.editing.steps import LARGEST_STEP, choose_steps
from zoo.scoring.score import ScoreMeter
from zoo.scoring.scores import Scores

# Strengths at which directions are measured, as shares of the step at which the region changes visibly.
STRENGTHS = (0.125, 0.35, 1.0, 2.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What was seen of the directions of one method.

    Attributes:
        directions: The directions (k).
        steps: The step of each (k,) at which the region changes visibly.
        unseen: What changes at the unseen codes, at each of `STRENGTHS`.
        own: What changes at the analysed codes, at the visible step.
        scores: What scorers say of the unseen codes there; None without scorers.
    """

    directions: Directions
    steps: Tensor
    unseen: tuple[Changes, ...]
    own: Changes
    scores: Scores | None

    @property
    def visible(self) -> Changes:
        """What changes at the unseen codes at the visible step."""
        return self.unseen[STRENGTHS.index(1.0)]


def measure_pictures(trial: Trial, directions: Directions) -> Measured:
    """Render unseen codes at all strengths, and analysed ones at the visible step.

    Args:
        trial: The repetition.
        directions: The directions of a method (k).

    Returns:
        What was seen.
    """
    steps = choose_steps(trial.model.adapter, trial.codes, directions, trial.region)
    scores = ScoreMeter(trial.model, trial.scorers)

    def changes(codes: Codes, strength: float, *observers: Observer) -> Changes:
        moved = (strength * steps).clamp(max=LARGEST_STEP)
        meter = ChangeMeter(trial.region, moved, trial.part)
        render_ends(
            trial.model, codes, directions, moved, [meter, *observers], progress=trial.progress, what="moving codes"
        )
        return meter.result()

    seen = tuple(changes(trial.unseen, one, *([scores] if one == 1.0 else [])) for one in STRENGTHS)
    visible = seen[STRENGTHS.index(1.0)]
    return Measured(
        directions=directions,
        steps=steps,
        unseen=seen,
        own=changes(trial.codes, 1.0),
        scores=scores.result(directions, visible),
    )
