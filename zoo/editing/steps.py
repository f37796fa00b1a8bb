"""How far directions are moved, so that a change of the image can be seen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from zoo.core.adapter import Adapter
from zoo.core.channels import as_rgb
from zoo.core.codes import Codes, join
from zoo.core.directions import Directions
from zoo.core.region import Region
from zoo.models.rendering import render_batch_size

# The mean squared change inside the region that pictures show at their ends, for images in [-1, 1].
VISIBLE_CHANGE = 0.02

LARGEST_STEP = 8.0
_SMALLEST_STEP = 1e-6
_TOLERANCE = 1e-3  # of the logarithm of the change
_MAX_ITERATIONS = 40

# A common step for several codes is the median over so many of them.
CODES_FOR_STEPS = 4


def visible_steps(
    adapter: Adapter,
    code: Codes,
    vectors: Tensor,
    region: Region,
    layers: Sequence[int] | None = None,
    *,
    change: float = VISIBLE_CHANGE,
) -> Tensor:
    """Choose for each direction the step at which the mean squared change inside a region is 0.02, or else 8.

    Args:
        adapter: The network.
        code: A batch of one code.
        vectors: Unit directions (k, dim).
        region: Where the change is measured.
        layers: The rows of the code that are moved; None moves all.
        change: Another change than 0.02, for images in [-1, 1].

    Returns:
        The steps (k,), in (0, 8].
    """
    if len(vectors) == 0:
        return torch.zeros(0)
    return _solve_step_for_change(RegionChange(adapter, code, vectors, region, layers), change)


def choose_steps(adapter: Adapter, codes: Codes, directions: Directions, region: Region) -> Tensor:
    """Choose one step for each direction at several codes: the median of `visible_steps` over the first four.

    Args:
        adapter: The network.
        codes: The codes.
        directions: The directions (k).
        region: Where the change is measured.

    Returns:
        The steps (k,), in (0, 8].
    """
    few = [codes[index] for index in range(min(CODES_FOR_STEPS, len(codes)))]
    by_code = [visible_steps(adapter, code, directions.vectors, region, directions.layers) for code in few]
    return torch.stack(by_code).quantile(0.5, dim=0)


def squared_change(change: Tensor) -> Tensor:
    """Compute the mean square of changes over the colour channels.

    Args:
        change: The changes of images (…, c, h, w).

    Returns:
        The squares (…, h, w), in float64 on the CPU.
    """
    return change.cpu().to(torch.float64).square_().mean(dim=-3)


def inside_and_outside(squares: Tensor, inside: Tensor) -> Tensor:
    """Average over the pixels inside and outside of a mask.

    Args:
        squares: Squared changes (h, w).
        inside: The mask (h, w) of bool.

    Returns:
        The two means (2,); NaN for an outside without a pixel.
    """
    return torch.stack([squares[inside].mean(), squares[~inside].mean()])


class RegionChange:
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
        return torch.stack(
            [inside_and_outside(squared_change(image - self.origin[0]), self.inside) for image in images]
        )


def _solve_step_for_change(change: RegionChange, target: float) -> Tensor:
    """Find, for all directions at once, the step whose change inside is `target`.

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
    return steps.exp().clamp(max=LARGEST_STEP).where(reached, torch.full_like(steps, LARGEST_STEP))


def _log_change(change: RegionChange, log_steps: Tensor, chosen: Tensor | None = None) -> Tensor:
    return change.at(log_steps.exp(), chosen)[0].clamp(min=1e-300).log()
