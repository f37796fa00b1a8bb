"""The search for a direction, by gradient through scorer and generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from zoo import Adapter, CapabilityError, Codes, ContractError, Probe, Scorer
from zoo.core import as_rgb
from zoo.editing import visible_steps
from zoo_analyzers.ganalyze.attributes import Attribute
from zoo_analyzers.ganalyze.options import GANalyzeOptions

# The first step of Adam, as a share of the root mean square of the numbers of a direction; it falls to 0 as a cosine.
_RATE = 0.3
# How far codes are moved is chosen anew after so many steps, at so many codes.
_STEPS_BETWEEN = 15
_CODES_FOR_STEPS = 4
# The mean squared change that is visible: that of pixels outside of the region is counted in it.
_VISIBLE_CHANGE = 0.02


@dataclass(frozen=True)
class Learned:
    """A direction that was found.

    Attributes:
        vector: (dim,), or (layers, dim) with a vector for each row, of length 1 as `zoo.Directions` measures it.
        step: how far codes were moved along it.
        score: how much of its attribute it changes, minus the most that it changes of a kept one.
    """

    vector: Tensor
    step: float
    score: float


class Search:
    """What the searches for all attributes share: the codes, and the scores of their images.

    Args:
        adapter: the network.
        probe: the codes, the region and the rows.
        scorer: what scores images.
        options: the options of the analysis.
    """

    def __init__(self, adapter: Adapter, probe: Probe, scorer: Scorer, options: GANalyzeOptions) -> None:
        self.adapter, self.probe, self.scorer, self.options = adapter, probe, scorer, options
        self.codes, self.layers, space = probe.codes, probe.layers, adapter.space
        self.by_row = options.rows == "each" and space.layers > 1
        chosen = range(space.layers) if self.layers is None else self.layers
        self.rows = torch.zeros(space.layers, 1, dtype=adapter.dtype, device=adapter.device)
        self.rows[list(chosen)] = 1
        self.shape = space.shape if self.by_row else (space.dim,)
        self.length = len(chosen) ** 0.5 if self.by_row else 1.0
        self.outside = torch.from_numpy(~probe.region.mask).to(adapter.device)
        self.starts = range(0, len(self.codes), options.batch)
        self._pixels_outside: dict[int, Tensor] = {}
        with torch.no_grad():
            self.unedited = self._of_all(self._unedited_scores)

    def learn(self, attribute: Attribute, kept: Sequence[Attribute], progress: Callable[[int], object]) -> Learned:
        """Learn the direction of one attribute.

        Args:
            attribute: the attribute to change.
            kept: the attributes to keep.
            progress: called with the number of each step.

        Returns:
            The direction.

        Raises:
            CapabilityError: the scorer gives no gradients.
        """
        steps = self.options.steps
        start = torch.randn(self.shape, generator=self.probe.generator, dtype=torch.float64)
        vector = self._unit(start.to(self.adapter.device, self.adapter.dtype)).requires_grad_()
        optimizer = torch.optim.Adam([vector], lr=_RATE / self.adapter.space.dim**0.5)
        rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        step = 0.0
        for index in range(steps):
            progress(index)
            if index % _STEPS_BETWEEN == 0:
                step = self._visible_step(vector.detach())
            optimizer.zero_grad()
            with torch.enable_grad():
                batch = self.starts[index % len(self.starts)]
                self._cost(step * self._unit(vector), batch, attribute, kept).backward()
            optimizer.step()
            rate.step()
            with torch.no_grad():
                vector.copy_(self._unit(vector))
        unit = vector.detach()
        step = self._visible_step(unit)
        return Learned(unit.double().cpu(), step, self._score(step * unit, attribute, kept))

    def _cost(self, delta: Tensor, start: int, attribute: Attribute, kept: Sequence[Attribute]) -> Tensor:
        """Return what lacks of the change, and what else changes, at a batch of codes ()."""
        unedited = self.unedited[start : start + self.options.batch]
        images = [self._images(codes) for codes in self._ends(start, delta)]
        low, high = ends = [self._scores(one) for one in images]
        if not low.requires_grad:
            raise CapabilityError(f"the scorer {type(self.scorer).__name__} gives no gradients, which ganalyze needs")
        cost = attribute.change_cost(low, high)
        for one in kept:
            cost = cost + self.options.weight * one.kept_cost(unedited, ends)
        return cost + self.options.outside * self._outside(start, images).to(cost)

    def _outside(self, start: int, images: Sequence[Tensor]) -> Tensor:
        """Return the mean squared change of the pixels outside of the region, as a share of a visible one ()."""
        if start not in self._pixels_outside:
            return torch.zeros(())
        before = self._pixels_outside[start]
        squares = torch.stack([(one[..., self.outside] - before).square().mean() for one in images])
        return squares.mean() / _VISIBLE_CHANGE

    def _unedited_scores(self, start: int) -> Tensor:
        """Score a batch of unedited images, and keep their pixels outside of the region if these count."""
        images = self._images(self._batch(start))
        if self.options.outside and bool(self.outside.any()):
            self._pixels_outside[start] = images[..., self.outside]
        return self._scores(images)

    @torch.no_grad()
    def _score(self, delta: Tensor, attribute: Attribute, kept: Sequence[Attribute]) -> float:
        low, high = (self._of_all(partial(self._end_scores, delta, end)) for end in (0, 1))
        return attribute.strength(low, high) - max((one.strength(low, high) for one in kept), default=0.0)

    def _end_scores(self, delta: Tensor, end: int, start: int) -> Tensor:
        return self._scores(self._images(self._ends(start, delta)[end]))

    def _ends(self, start: int, delta: Tensor) -> list[Codes]:
        """Move a batch of codes to the end at −step, and to that at +step."""
        return [self.adapter.move(self._batch(start), sign * delta, self.layers) for sign in (-1, 1)]

    def _of_all(self, function: Callable[[int], Tensor]) -> Tensor:
        """Join what a function returns for each batch of codes."""
        return torch.cat([function(start) for start in self.starts])

    def _batch(self, start: int) -> Codes:
        return self.codes[start : start + self.options.batch]

    def _images(self, codes: Codes) -> Tensor:
        return as_rgb(self.adapter.synthesize(codes))

    def _scores(self, images: Tensor) -> Tensor:
        scores = self.scorer.score(images.clamp(-1, 1)).double()
        if not bool(torch.isfinite(scores).all()):
            raise ContractError(f"the scores of {type(self.scorer).__name__} are not finite")
        return scores

    def _unit(self, vector: Tensor) -> Tensor:
        """Scale a vector so that the rows that it moves have a root mean square length of 1."""
        moved = vector * self.rows if self.by_row else vector
        unit: Tensor = self.length * moved / moved.norm()
        return unit

    def _visible_step(self, vector: Tensor) -> float:
        """Return the step at which the region changes visibly: the median over some codes."""
        few = [self.codes[index : index + 1] for index in range(min(_CODES_FOR_STEPS, len(self.codes)))]
        steps = [visible_steps(self.adapter, code, vector[None], self.probe.region, self.layers) for code in few]
        return float(torch.cat(steps).median())
