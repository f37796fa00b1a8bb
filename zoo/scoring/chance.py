"""What random directions do to scores: the measure of scorers that react to any change of an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo._utils.progress import Progress, silent
from zoo.core.analyzer import Scorer
from zoo.core.channels import as_rgb
from zoo.core.codes import Codes
from zoo.core.directions import Directions
from zoo.core.moves import measure_lengths
from zoo.core.sampling import derived_generator
from zoo.editing.changes import ENDS, Changes, render_ends
from zoo.editing.steps import squared_change, visible_steps
from zoo.models.model import Model

# So many random directions are moved, at so many codes at most. Fewer codes than the named directions have make the
# random ones vary more, and so make names rarer, never more frequent.
RANDOM_DIRECTIONS = 32
_MOST_CODES = 16

# At so many unseen codes, at least, such a scorer is asked.
FEWEST_CODES = 64


@dataclass(frozen=True, eq=False)
class Chance:
    """How much scores change along random directions, for changes of the image of mean square 1.

    Attributes:
        deviation: The standard deviation, over random directions, of the mean change of each column (columns,).
    """

    deviation: Tensor

    def z(self, changes: Tensor, mean_square: float) -> Tensor:
        """Compare mean changes of scores with those of random directions that change the image as much.

        To first order both the change of the image and that of a score are proportional to the step, so that a score's
        change is divided by the root of the mean square of the image's.

        Args:
            changes: The mean changes (columns,) from one end of a direction to the other.
            mean_square: The mean squared change of the whole image at its ends.

        Returns:
            The changes in standard deviations (columns,); 0 for an image that does not change.
        """
        if mean_square <= 0:
            return torch.zeros_like(changes)
        smallest = torch.finfo(torch.float64).tiny
        deviations: Tensor = changes / mean_square**0.5 / self.deviation.clamp(min=smallest)
        return deviations


def needs_chance(scorers: Mapping[str, Scorer]) -> bool:
    """Say whether any scorer names only what random directions do not change."""
    return any(scorer.against_random for scorer in scorers.values())


def measure_chance(
    model: Model,
    scorers: Mapping[str, Scorer],
    codes: Codes,
    directions: Directions,
    changes: Changes,
    *,
    progress: Progress = silent,
) -> Chance:
    """Move codes along random directions, and ask scorers what changes.

    Args:
        model: The model.
        scorers: The scorers, side by side as `Chance.deviation` has their columns.
        codes: The codes at which `changes` were measured.
        directions: The directions that are named: random ones move the same rows of the code.
        changes: What they change; random ones change the whole image as much.
        progress: Called while codes are moved.

    Returns:
        What random directions change.
    """
    few = codes[:_MOST_CODES]
    drawn = _random_directions(directions)
    whole = model.region("all")
    target = max(float(changes.by_pixel.mean(dim=(1, 2)).median()), 1e-6)
    steps = visible_steps(model.adapter, few[0], drawn.vectors, whole, drawn.layers, change=target)
    meter = _MeanChanges(scorers, len(drawn))
    render_ends(model, few, drawn, steps, [meter], progress=progress, what="moving along random directions")
    return Chance(meter.per_change().std(dim=0))


def _random_directions(directions: Directions) -> Directions:
    """Draw unit directions of normal numbers that move the same rows; they are the same in every command."""
    shape = (RANDOM_DIRECTIONS, *directions.vectors.shape[1:])
    vectors = torch.randn(shape, generator=derived_generator(0, "random directions"), dtype=torch.float64)
    vectors = vectors / measure_lengths(vectors).view(-1, *[1] * (vectors.ndim - 1))
    return Directions(directions.space, vectors, torch.ones(len(vectors)), directions.layers)


class _MeanChanges:
    """Adds up scores and squared changes at both ends of directions; an observer of `render_ends`."""

    def __init__(self, scorers: Mapping[str, Scorer], count: int) -> None:
        self._scorers = scorers
        columns = sum(len(scorer.attributes) for scorer in scorers.values())
        self._scores = torch.zeros(count, columns, dtype=torch.float64)
        self._squares = torch.zeros(count, dtype=torch.float64)
        self._codes = 0

    def start(self, unedited: Tensor) -> None:
        self._unedited = as_rgb(unedited)
        self._codes += len(unedited)

    def look(self, index: int, end: int, images: Tensor) -> None:
        shown = as_rgb(images.clamp(-1, 1))
        scores = [scorer.score(shown).detach().cpu().to(torch.float64) for scorer in self._scorers.values()]
        self._scores[index] += ENDS[end] * torch.cat(scores, dim=1).sum(dim=0)
        self._squares[index] += squared_change(as_rgb(images) - self._unedited).mean(dim=(1, 2)).sum()

    def per_change(self) -> Tensor:
        """Return the mean change of each column, for changes of the image of mean square 1 (count, columns)."""
        mean_squares = self._squares / (len(ENDS) * self._codes)
        return self._scores / self._codes / mean_squares.clamp(min=1e-12).sqrt()[:, None]
