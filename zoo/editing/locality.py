"""Measures of an edit: how local its change is, how large a step is visible, how alike it is at several codes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor

from zoo._utils.progress import Progress
from zoo.core.adapter import Adapter
from zoo.core.channels import as_rgb
from zoo.core.codes import Codes, join
from zoo.core.directions import Directions
from zoo.core.region import Region
from zoo.editing.render import render_batch_size

# Mean squared changes inside the region, for images in [-1, 1]: where locality is read, and what pictures show at
# their ends.
TARGET_CHANGE = 1e-3
VISIBLE_CHANGE = 0.02

LARGEST_STEP = 8.0
_SMALLEST_STEP = 1e-6
_TOLERANCE = 1e-3  # of the logarithm of the change
_MAX_ITERATIONS = 40


@dataclass(frozen=True)
class Locality:
    """The ratio of the mean squared change inside a region to that outside.

    Attributes:
        value: The ratio: infinite where nothing outside changes, NaN where nothing changes at all.
        step: The step at which it was measured, in (0, 8].
        reached: Whether the change inside reached the target; otherwise the ratio was measured at step 8.
    """

    value: float
    step: float
    reached: bool

    def as_json(self) -> dict[str, Any]:
        """Return plain values.

        Returns:
            The fields by name; a ratio that is infinite or NaN is None.
        """
        return {"value": self.value if math.isfinite(self.value) else None, "step": self.step, "reached": self.reached}


def measure_locality(
    adapter: Adapter, code: Codes, vectors: Tensor, region: Region, layers: Sequence[int] | None = None
) -> list[Locality]:
    """Measure how local each direction is at one code, all at an equal change inside the region.

    For each direction, a bracketed search finds the step α in (0, 8] at which the mean squared change inside is 1e-3;
    its locality is the mean of inside / outside over +α and −α.

    Args:
        adapter: The network.
        code: A batch of one code.
        vectors: Unit directions (k, dim).
        region: The region; it must leave some pixels outside.
        layers: The rows of the code that are moved; None moves all.

    Returns:
        A locality for each direction; `reached` is False where the change at step 8 is below the target.
    """
    change = _Change(adapter, code, vectors, region, layers)
    steps, reached = _solve_step_for_change(change, TARGET_CHANGE)
    ratios = []
    for sign in (1.0, -1.0):
        inside, outside = change.at(sign * steps)
        ratios.append(inside / outside)  # infinite where nothing outside changes, NaN where nothing changes
    values = (ratios[0] + ratios[1]) / 2
    return [
        Locality(float(value), float(step), bool(done))
        for value, step, done in zip(values, steps, reached, strict=True)
    ]


def measure_localities(
    adapter: Adapter, codes: Codes | None, directions: Directions, region: Region, *, progress: Progress, what: str
) -> tuple[tuple[Locality, ...], ...]:
    """Measure how local each direction is at each of several codes.

    Args:
        adapter: The network.
        codes: The codes (n); None measures nothing.
        directions: The directions (k).
        region: The region; nothing is measured where it is the whole image.
        progress: Called after each code.
        what: How progress describes the work.

    Returns:
        For each direction, a locality for each code: (k, n), or empty where nothing was measured.
    """
    if codes is None or region.whole or len(directions) == 0:
        return ()
    by_code = []
    for index in range(len(codes)):
        progress(index, len(codes), what)
        by_code.append(measure_locality(adapter, codes[index], directions.vectors, region, directions.layers))
    progress(len(codes), len(codes), what)
    return tuple(zip(*by_code, strict=True))


def median_locality(by_direction: Sequence[Sequence[Locality]], index: int) -> Locality | None:
    """Take the median over codes of one direction's locality.

    Args:
        by_direction: What `measure_localities` returned.
        index: The direction.

    Returns:
        The medians of values and steps, `reached` only if every code reached the target; None without a measurement.
    """
    measured = [one for one in (by_direction[index] if by_direction else ()) if not math.isnan(one.value)]
    if not measured:
        return None
    value = median(one.value for one in measured)
    return Locality(value, median(one.step for one in measured), all(one.reached for one in measured))


def localities_as_json(by_direction: Sequence[Sequence[Locality]]) -> list[list[dict[str, Any]]]:
    """Return localities as plain values.

    Args:
        by_direction: What `measure_localities` returned.

    Returns:
        The values, as the metadata of a directions file keeps them.
    """
    return [[one.as_json() for one in row] for row in by_direction]


def visible_steps(
    adapter: Adapter, code: Codes, vectors: Tensor, region: Region, layers: Sequence[int] | None = None
) -> Tensor:
    """Choose for each direction the step at which the mean squared change inside a region is 0.02, or else 8.

    Args:
        adapter: The network.
        code: A batch of one code.
        vectors: Unit directions (k, dim).
        region: Where the change is measured.
        layers: The rows of the code that are moved; None moves all.

    Returns:
        The steps (k,), in (0, 8].
    """
    if len(vectors) == 0:
        return torch.zeros(0)
    return _solve_step_for_change(_Change(adapter, code, vectors, region, layers), VISIBLE_CHANGE)[0]


def consistency(changes: Tensor) -> float | None:
    """Compute how alike one direction's changes of the image are at several codes.

    Args:
        changes: The change of the image at each code (n, 3, h, w).

    Returns:
        The mean cosine, signed, over pairs of codes; None for a single code.
    """
    count = len(changes)
    if count < 2:
        return None
    rows = changes.flatten(1).to(torch.float64)
    rows = rows / rows.norm(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)
    cosines = rows @ rows.T
    # every off-diagonal pair is counted twice, in the sum as in n (n − 1)
    return float((cosines.sum() - cosines.trace()) / (count * (count - 1)))


def squared_change(change: Tensor, inside: Tensor) -> Tensor:
    """Compute the mean square of a change inside and outside of a mask.

    Args:
        change: The change of an image (3, h, w).
        inside: The mask (h, w) of bool.

    Returns:
        The two means (2,) in float64; NaN for an outside without a pixel.
    """
    squares = change.cpu().to(torch.float64).square_().mean(dim=0)
    return torch.stack([squares[inside].mean(), squares[~inside].mean()])


class _Change:
    """The mean squared change inside and outside of a region, as a function of one step for each direction."""

    def __init__(
        self, adapter: Adapter, code: Codes, vectors: Tensor, region: Region, layers: Sequence[int] | None
    ) -> None:
        self.adapter = adapter
        self.code = code
        self.layers = layers
        self.vectors = vectors.to(adapter.device, adapter.dtype)
        self.inside = torch.from_numpy(region.mask.copy())
        self.origin = self._images(code)

    def at(self, steps: Tensor, chosen: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Measure (inside, outside) at a step for each direction, or for each of those that a mask chooses."""
        moved = [
            self.adapter.move(self.code, step.to(vector) * vector, self.layers)
            for step, vector in zip(steps, self.vectors if chosen is None else self.vectors[chosen], strict=True)
        ]
        inside, outside = torch.cat([self._measured(batch) for batch in self._batches(moved)]).T
        return inside, outside

    def _batches(self, codes: Sequence[Codes]) -> Iterator[Codes]:
        size = render_batch_size(self.adapter)
        return (join(codes[start : start + size]) for start in range(0, len(codes), size))

    def _images(self, codes: Codes) -> Tensor:
        with torch.no_grad():
            return as_rgb(self.adapter.synthesize(codes))

    def _measured(self, codes: Codes) -> Tensor:
        """Reduce a batch to (n, 2), one image at a time: large images take much memory as float64."""
        images = self._images(codes)
        return torch.stack([squared_change(image - self.origin[0], self.inside) for image in images])


def _solve_step_for_change(change: _Change, target: float) -> tuple[Tensor, Tensor]:
    """Find, for all directions at once, the step whose change inside is `target`: (steps, reached).

    Regula falsi on log change over log step, which is nearly linear (of slope 2 for small steps). A guess outside of
    the bracket, and every third guess, is replaced by the bracket's middle, so that the bracket always shrinks.
    """
    goal = math.log(target)
    high = torch.full((len(change.vectors),), math.log(LARGEST_STEP), dtype=torch.float64)
    low = torch.full_like(high, math.log(_SMALLEST_STEP))
    at_high = _log_change(change, high)
    at_low = at_high - 2 * (high - low)  # extrapolated with slope 2 instead of rendered
    reached = at_high >= goal
    steps = high.clone()
    settled = ~reached
    for iteration in range(_MAX_ITERATIONS):
        if bool(settled.all()):
            break
        guess = low + (goal - at_low) * (high - low) / (at_high - at_low)
        usable = (guess > low) & (guess < high) & (iteration % 3 != 2)
        steps = torch.where(settled, steps, torch.where(usable, guess, (low + high) / 2))
        at_steps = torch.full_like(steps, goal)
        at_steps[~settled] = _log_change(change, steps[~settled], ~settled)
        above = at_steps >= goal
        high, at_high = torch.where(above, steps, high), torch.where(above, at_steps, at_high)
        low, at_low = torch.where(above, low, steps), torch.where(above, at_low, at_steps)
        settled = settled | ((at_steps - goal).abs() < _TOLERANCE)
    return steps.exp().clamp(max=LARGEST_STEP).where(reached, torch.full_like(steps, LARGEST_STEP)), reached


def _log_change(change: _Change, log_steps: Tensor, chosen: Tensor | None = None) -> Tensor:
    return change.at(log_steps.exp(), chosen)[0].clamp(min=1e-300).log()
