"""Codes moved along directions to both ends, each image rendered once, and what is measured of the changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from zoo._utils.progress import Progress
from zoo.core.channels import as_rgb
from zoo.core.codes import Codes
from zoo.core.directions import Directions
from zoo.core.region import Region
from zoo.editing.locality import Locality, pool_localities
from zoo.editing.render import render
from zoo.editing.steps import inside_and_outside, squared_change
from zoo.models.model import Model
from zoo.models.rendering import render_batch_size

# Two directions repeat each other where their changes of the image have at least this cosine.
REPEATED = 0.5

# The signs of the two ends, in the order in which they are rendered.
ENDS = (1, -1)

# Cosines of changes are those of images reduced to this side, and so many numbers of them are held at a time.
_REDUCED_SIDE = 256
_MOST_NUMBERS = 2**26


@dataclass(frozen=True, eq=False)
class PartMasks:
    """Where one part of an image is, found in each image anew.

    Attributes:
        part: The name of the part.
        find: Returns the masks (n, h, w) of bool of images (n, c, h, w); None if that fails.
    """

    part: str
    find: Callable[[Tensor], Tensor | None]


class Observer(Protocol):
    """Looks at codes that are moved along directions, while they are rendered, a batch of codes at a time."""

    def start(self, unedited: Tensor) -> None:
        """Look at the images (n, c, h, w) of the next codes, not moved."""

    def look(self, index: int, end: int, images: Tensor) -> None:
        """Look at the same codes moved along direction `index` to an end of `ENDS`, given by its index."""


def render_ends(
    model: Model,
    codes: Codes,
    directions: Directions,
    steps: Tensor,
    observers: Sequence[Observer],
    *,
    progress: Progress,
    what: str,
) -> None:
    """Render codes unedited and at both ends of each direction, each image once, and show them to all observers.

    Args:
        model: The model.
        codes: The codes (n).
        directions: The directions (k).
        steps: How far each is moved (k,).
        observers: What looks at the images.
        progress: Called after each batch of codes.
        what: How progress describes the work.

    Raises:
        CheckpointError: If an image is not finite.
    """
    size = _codes_per_batch(model, len(directions))
    for start in range(0, len(codes), size):
        progress(start, len(codes), what)
        batch = codes[start : start + size]
        unedited = render(model, batch)
        for observer in observers:
            observer.start(unedited)
        for index, (step, vector) in enumerate(zip(steps, directions.vectors, strict=True)):
            delta = (step * vector).to(batch.latents)
            for end, sign in enumerate(ENDS):
                images = render(model, model.adapter.move(batch, sign * delta, directions.layers))
                for observer in observers:
                    observer.look(index, end, images)
    progress(len(codes), len(codes), what)


def _codes_per_batch(model: Model, count: int) -> int:
    """Choose how many codes are moved at a time, so that the changes of all directions fit into memory."""
    pixels = math.prod(min(side, _REDUCED_SIDE) for side in model.adapter.resolution)
    return max(1, min(render_batch_size(model.adapter), _MOST_NUMBERS // (2 * count * 3 * pixels)))


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
    rows, _ = _unit_rows(changes)
    return float(_mean_cosine(rows.sum(dim=0, dtype=torch.float64), rows.square().sum(dtype=torch.float64), count))


def _mean_cosine(total: Tensor, squares: Tensor, count: int) -> Tensor:
    """Average the cosines of pairs of n unit changes u_i: Σ_(i ≠ j) u_i · u_j = ‖Σ_i u_i‖² − Σ_i ‖u_i‖²."""
    return (total.square().sum(dim=-1) - squares) / (count * (count - 1))


@dataclass(frozen=True, eq=False)
class Changes:
    """What k directions change at n codes, moved by one step each, both ways.

    Attributes:
        region: Where changes count as inside.
        steps: How far each direction was moved (k,).
        by_code: The mean squared change inside and outside (k, n, 2), over both ends, for images in [-1, 1]; outside
            is NaN where the region is the whole image.
        by_pixel: The mean squared change of each pixel (k, h, w), over both ends and all codes.
        consistency: How alike the changes at the end +step are (k,), see `zoo.editing.consistency`; None for
            one code.
        similarity: How alike the changes of two directions are (k, k): the mean over codes of the cosine of their
            changes, each to its own end, or with one of the two turned round, whichever is larger.
        cosines: The cosines (k, k) of the changes from one end to the other, G(c + s n) − G(c − s n), taken over the
            pixels of all codes; that of a direction that changes nothing is 0.
        by_code_in_part: As `by_code`, where inside is the part that the region is named after: the pixels that belong
            to it in one of the two images that are compared. Both are 0 where neither image has the part. None where
            no scorer knows the part.
    """

    region: Region
    steps: Tensor
    by_code: Tensor
    by_pixel: Tensor
    consistency: Tensor | None
    similarity: Tensor
    cosines: Tensor
    by_code_in_part: Tensor | None = None

    @cached_property
    def redundancies(self) -> Tensor | None:
        """How much each direction does what others do (k,): its mean |cosine| with them; None for one direction."""
        count = len(self.cosines)
        if count < 2:
            return None
        return (self.cosines.abs().sum(dim=1) - self.cosines.diagonal().abs()) / (count - 1)

    @property
    def redundancy(self) -> float | None:
        """The mean |cosine| over pairs of directions: 0 where all do different things, 1 where all do the same."""
        return None if self.redundancies is None else float(self.redundancies.mean())

    @cached_property
    def localities(self) -> tuple[Locality, ...]:
        """How local each direction is; empty where the region is the whole image."""
        return () if self.region.whole else tuple(pool_localities(self.by_code, self.steps))

    @cached_property
    def part_localities(self) -> tuple[Locality, ...]:
        """How local each direction is to the part of each image; empty where no scorer knows the part."""
        return () if self.by_code_in_part is None else tuple(pool_localities(self.by_code_in_part, self.steps))

    def repeated_by(self, index: int) -> tuple[int, float] | None:
        """Find what a direction repeats.

        Args:
            index: The direction.

        Returns:
            The stronger direction whose changes are most like its own, and how alike they are, if that is 0.5 or more.
        """
        if not index:
            return None
        most, nearest = self.similarity[index, :index].max(dim=0)
        return (int(nearest), float(most)) if float(most) >= REPEATED else None

    def repeats_as_json(self) -> list[dict[str, Any] | None]:
        """Return what each direction repeats as plain values.

        Returns:
            For each direction, the index of the other one and the cosine, or None.
        """
        found = map(self.repeated_by, range(len(self.steps)))
        return [None if one is None else {"direction": one[0], "cosine": one[1]} for one in found]


class ChangeMeter:
    """Measures `Changes` while codes are rendered."""

    def __init__(self, region: Region, steps: Tensor, part: PartMasks | None = None) -> None:
        count = len(steps)
        self._region, self._steps, self._part = region, steps, part
        self._inside = torch.from_numpy(region.mask.copy())
        self._by_pixel = torch.zeros(count, *self._inside.shape)
        self._by_code: list[Tensor] = []  # (k, batch, 2)
        self._in_part: list[Tensor] = []  # the same
        self._similarity = torch.zeros(count, count, dtype=torch.float64)
        self._unit_sums: Tensor | None = None
        self._unit_squares = torch.zeros(count, dtype=torch.float64)
        self._products = torch.zeros(count, count, dtype=torch.float64)  # of changes from one end to the other

    def start(self, unedited: Tensor) -> None:
        """Begin a batch of codes."""
        self._unedited = as_rgb(unedited)
        self._by_code.append(torch.zeros(len(self._steps), len(unedited), 2, dtype=torch.float64))
        self._in_part.append(torch.zeros_like(self._by_code[-1]))
        self._part_before = self._find_part(unedited)
        self._units: list[Tensor] = []  # of each direction and end, (batch, numbers)
        self._norms: list[Tensor] = []  # (batch, 1)

    def look(self, index: int, end: int, images: Tensor) -> None:
        """Measure the changes of a batch of codes at one end."""
        changes = as_rgb(images) - self._unedited
        part = None if self._part_before is None else self._find_part(images)
        for code, change in enumerate(changes):  # one by one: float64 takes much memory
            squares = squared_change(change)
            self._by_code[-1][index, code] += inside_and_outside(squares, self._inside) / len(ENDS)
            self._by_pixel[index] += squares
            if self._part_before is not None and part is not None:
                either = self._part_before[code] | part[code]
                if bool(either.any()) and not bool(either.all()):
                    self._in_part[-1][index, code] += inside_and_outside(squares, either) / len(ENDS)
        units, norms = _unit_rows(changes)
        self._units.append(units)
        self._norms.append(norms)
        if (index, end) == (len(self._steps) - 1, len(ENDS) - 1):
            units, norms = torch.stack(self._units), torch.stack(self._norms)
            self._compare(units.unflatten(0, (-1, len(ENDS))), norms.unflatten(0, (-1, len(ENDS))))

    def _find_part(self, images: Tensor) -> Tensor | None:
        """Find the part in a batch of images; once that has failed, no more."""
        found = None if self._part is None else self._part.find(images)
        if found is None:
            self._part = None
        return found

    def _compare(self, units: Tensor, norms: Tensor) -> None:
        """Compare the changes of all directions, code by code: unit ones (k, ends, batch, numbers), and norms."""
        sums = units[:, 0].sum(dim=1, dtype=torch.float64)
        self._unit_sums = sums if self._unit_sums is None else self._unit_sums + sums
        self._unit_squares += units[:, 0].square().sum(dim=(1, 2), dtype=torch.float64)
        for code in range(units.shape[2]):
            both = units[:, :, code].flatten(0, 1)
            cosines = (both @ both.T).to(torch.float64).unflatten(0, (-1, 2)).unflatten(2, (-1, 2))
            same = (cosines[:, 0, :, 0] + cosines[:, 1, :, 1]) / 2
            turned = (cosines[:, 0, :, 1] + cosines[:, 1, :, 0]) / 2
            self._similarity += torch.maximum(same, turned)
            across = units[:, 0, code] * norms[:, 0, code] - units[:, 1, code] * norms[:, 1, code]
            self._products += (across @ across.T).to(torch.float64)

    def result(self) -> Changes:
        """Return what was measured."""
        by_code = torch.cat(self._by_code, dim=1)
        count = by_code.shape[1]
        assert self._unit_sums is not None
        return Changes(
            region=self._region,
            steps=self._steps,
            by_code=by_code,
            by_pixel=self._by_pixel / (count * len(ENDS)),
            consistency=_mean_cosine(self._unit_sums, self._unit_squares, count) if count > 1 else None,
            similarity=self._similarity / count,
            cosines=_cosines(self._products),
            by_code_in_part=None if self._part is None else torch.cat(self._in_part, dim=1),
        )


def _cosines(products: Tensor) -> Tensor:
    """Divide inner products (k, k) by the norms; those of 0 are 0."""
    norms = products.diagonal().clamp(min=torch.finfo(torch.float64).tiny).sqrt()
    return products / norms[:, None] / norms


def _unit_rows(changes: Tensor) -> tuple[Tensor, Tensor]:
    """Scale changes (n, c, h, w), reduced to 256 pixels a side, to unit rows; return these and the norms (n, 1)."""
    height, width = changes.shape[-2:]
    if max(height, width) > _REDUCED_SIDE:
        changes = adaptive_avg_pool2d(changes, (min(height, _REDUCED_SIDE), min(width, _REDUCED_SIDE)))
    rows = changes.flatten(1).to(torch.float32)
    norms = rows.norm(dim=1, keepdim=True)
    return rows / norms.clamp(min=torch.finfo(torch.float32).tiny), norms
