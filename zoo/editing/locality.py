"""Measures of an edit: locality and consistency."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.core.adapter import Adapter
from zoo.core.codes import Codes, join
from zoo.core.region import Region
from zoo.editing.render import render_batch_size

TARGET_CHANGE = 1e-3
"""The mean squared change inside the region at which locality is read, for images in [-1, 1]."""

VISIBLE_CHANGE = 0.02
"""The mean squared change inside the region that pictures show at their ends, for images in [-1, 1]."""

LARGEST_STEP = 8.0
_SMALLEST_STEP = 1e-6
_TOLERANCE = 1e-3
_MOST_TURNS = 40


@dataclass(frozen=True)
class Locality:
    """Inside over outside mean squared change at `step`.

    Infinite where nothing outside changes, NaN where nothing changes at all. `reached` is False if the target change
    lies beyond step 8: then the ratio was taken there.
    """

    value: float
    step: float
    reached: bool

    def as_json(self) -> dict[str, Any]:
        """Return plain values; a locality that is infinite or no number becomes None."""
        return {"value": self.value if math.isfinite(self.value) else None, "step": self.step, "reached": self.reached}


def measure_locality(
    adapter: Adapter, code: Codes, vectors: Tensor, region: Region, layers: Sequence[int] | None = None
) -> list[Locality]:
    """Measure how local each direction (k, dim) is at one code, all at an equal change inside the region.

    The step α in (0, 8] at which the mean squared change inside is 1e-3 is found by a bracketed search; locality is the
    mean of inside / outside over +α and −α. Where α = 8 does not reach that change, the ratio is taken there and
    marked.
    """
    change = _Change(adapter, code, vectors, region, layers)
    steps, reached = _equal_change(change, TARGET_CHANGE)
    ratios = []
    for sign in (1.0, -1.0):
        inside, outside = change.at(sign * steps)
        ratios.append(inside / outside)  # nothing outside: infinite; nothing at all: no number
    values = (ratios[0] + ratios[1]) / 2
    return [
        Locality(float(value), float(step), bool(done))
        for value, step, done in zip(values, steps, reached, strict=True)
    ]


def visible_steps(
    adapter: Adapter, code: Codes, vectors: Tensor, region: Region, layers: Sequence[int] | None = None
) -> Tensor:
    """Choose for each direction (k, dim) the step, at most 8, whose change inside is `VISIBLE_CHANGE`: (k,)."""
    if len(vectors) == 0:
        return torch.zeros(0)
    return _equal_change(_Change(adapter, code, vectors, region, layers), VISIBLE_CHANGE)[0]


def consistency(changes: Tensor) -> float | None:
    """Compute the mean pairwise cosine, signed, of one direction's change images at several codes (n, 3, h, w).

    None for a single code.
    """
    count = len(changes)
    if count < 2:
        return None
    rows = changes.flatten(1).to(torch.float64)
    rows = rows / rows.norm(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)
    cosines = rows @ rows.T
    return float((cosines.sum() - cosines.trace()) / (count * (count - 1)))


def squared_change(change: Tensor, inside: Tensor) -> Tensor:
    """Compute the mean square of a change image (3, h, w) inside and outside of a mask (h, w): (2,) float64.

    NaN where there is no outside.
    """
    squares = change.cpu().to(torch.float64).square_().mean(dim=0)
    return torch.stack([squares[inside].mean(), squares[~inside].mean()])


class _Change:
    """The mean squared change inside and outside of a region, a step for each direction at a time."""

    def __init__(
        self, adapter: Adapter, code: Codes, vectors: Tensor, region: Region, layers: Sequence[int] | None
    ) -> None:
        self.adapter, self.code, self.layers = adapter, code, layers
        self.vectors = vectors.to(adapter.device, adapter.dtype)
        self.inside = torch.from_numpy(region.mask.copy())
        self.origin = self._images(code)

    def at(self, steps: Tensor) -> tuple[Tensor, Tensor]:
        moves = [
            self.adapter.move(self.code, step.to(vector) * vector, self.layers)
            for step, vector in zip(steps, self.vectors, strict=True)
        ]
        inside, outside = torch.cat([self._measured(part) for part in self._batches(moves)]).T
        return inside, outside

    def _batches(self, moves: Sequence[Codes]) -> Iterator[Codes]:
        size = render_batch_size(self.adapter)
        return (join(moves[start : start + size]) for start in range(0, len(moves), size))

    def _images(self, codes: Codes) -> Tensor:
        with torch.no_grad():
            return self.adapter.synthesize(codes)

    def _measured(self, codes: Codes) -> Tensor:
        """Reduce a batch to (n, 2), one image at a time: as float64, large ones need much room."""
        images = self._images(codes)
        return torch.stack([squared_change(image - self.origin[0], self.inside) for image in images])


def _equal_change(change: _Change, target: float) -> tuple[Tensor, Tensor]:
    """Find, for each direction at once, the step whose change inside is `target`: (steps, reached).

    Log change is nearly linear in log step (slope 2 for small steps), so that the next guess interpolates there; a
    guess outside of the bracket, or every third one, halves it instead, so that the bracket always shrinks.
    """
    goal = math.log(target)
    high = torch.full((len(change.vectors),), math.log(LARGEST_STEP), dtype=torch.float64)
    low = torch.full_like(high, math.log(_SMALLEST_STEP))
    at_high = _log_change(change, high)
    at_low = at_high - 2 * (high - low)
    reached = at_high >= goal
    steps, settled = high.clone(), ~reached
    for turn in range(_MOST_TURNS):
        if bool(settled.all()):
            break
        guess = low + (goal - at_low) * (high - low) / (at_high - at_low)
        sound = (guess > low) & (guess < high) & (turn % 3 != 2)
        steps = torch.where(settled, steps, torch.where(sound, guess, (low + high) / 2))
        found = _log_change(change, steps)
        settled = settled | ((found - goal).abs() < _TOLERANCE)
        above = found >= goal
        high, at_high = torch.where(above, steps, high), torch.where(above, found, at_high)
        low, at_low = torch.where(above, low, steps), torch.where(above, at_low, found)
    return steps.exp().clamp(max=LARGEST_STEP).where(reached, torch.full_like(steps, LARGEST_STEP)), reached


def _log_change(change: _Change, log_steps: Tensor) -> Tensor:
    return change.at(log_steps.exp())[0].clamp(min=1e-300).log()
