"""L-BFGS for many problems at a time, each with a step of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

# Nocedal & Wright, Numerical Optimization, 2006: the pairs that are kept (7.2), the sufficient decrease (3.4).
_PAIRS = 20
_DECREASE = 1e-4
# How often a step is shortened before an item is given up.
_SHORTENINGS = 8
# An item is done once its value falls by less than this share of it.
_LEAST_PROGRESS = 1e-9
# It creeps once its value does not fall to this share within so many rounds.
_LEAST_FALL, _FALLING_ROUNDS = 0.9, 10

# Returns values (k,) and gradients (k, …) at points (k, …) of the items with the given indices (k,).
Evaluate = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def minimize_lbfgs(
    evaluate: Evaluate, points: Tensor, rounds: int, tick: Callable[[], None], *, while_falling: bool = False
) -> Tensor:
    """Minimise functions of independent items, one function for each.

    Args:
        evaluate: Computes values and gradients of some of the items.
        points: Where to start (n, …), float64.
        rounds: How many steps each item takes at most.
        tick: Called after each round.
        while_falling: Stop an item as soon as its value creeps, so that another method may go on.

    Returns:
        The points found, (n, …): nowhere is a value above that at the start.
    """
    shape, points = points.shape, points.flatten(1).clone()

    def flat(at: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        values, gradients = evaluate(at.view(len(at), *shape[1:]), items)
        return values, gradients.flatten(1)

    everything = torch.arange(len(points), device=points.device)
    values, gradients = flat(points, everything)
    history = _History()
    active = torch.isfinite(values)
    past = [values]
    for _ in range(rounds):
        items = everything[active]
        if not len(items):
            break
        steps = history.direction(gradients)[items]
        slopes = (steps * gradients[items]).sum(dim=1)
        uphill = slopes >= 0  # by rounding: fall back on the gradient
        lengths = gradients[items][uphill].norm(dim=1).clamp(min=1e-30)
        steps[uphill] = -gradients[items][uphill] / lengths[:, None]
        slopes[uphill] = -lengths
        before = _State(points, values, gradients)
        points, values, gradients = _search(flat, before, items, steps, slopes)
        history.add(points - before.points, gradients - before.gradients)
        active = active & (before.values - values > _LEAST_PROGRESS * before.values)
        past = [*past, values][-_FALLING_ROUNDS - 1 :]
        if while_falling and len(past) > _FALLING_ROUNDS:
            active = active & (values < _LEAST_FALL * past[0])
        tick()
    return points.view(shape)


class _State(NamedTuple):
    """Points (n, d), values (n,) and gradients (n, d) of all items."""

    points: Tensor
    values: Tensor
    gradients: Tensor


def _search(evaluate: Evaluate, state: _State, items: Tensor, steps: Tensor, slopes: Tensor) -> _State:
    """Step from each point, a shorter way until its value falls enough; one that never does stays where it is."""
    points, values, gradients = (tensor.clone() for tensor in state)
    lengths = torch.ones_like(slopes)
    pending = torch.arange(len(items), device=items.device)
    for _ in range(_SHORTENINGS):
        at = points[items[pending]] + lengths[pending, None] * steps[pending]
        new_values, new_gradients = evaluate(at, items[pending])
        old_values = values[items[pending]]
        enough = new_values <= old_values + _DECREASE * lengths[pending] * slopes[pending]
        accepted = items[pending[enough]]
        points[accepted], values[accepted], gradients[accepted] = at[enough], new_values[enough], new_gradients[enough]
        # The minimum of the parabola through both values and the slope, kept between a tenth and half of the step.
        rise = new_values - old_values - lengths[pending] * slopes[pending]
        shares = (-slopes[pending] * lengths[pending] / (2 * rise)).nan_to_num(0.5).clamp(0.1, 0.5)
        lengths[pending] = lengths[pending] * shares
        pending = pending[~enough]
        if not len(pending):
            break
    return _State(points, values, gradients)


class _History:
    """The last steps of all items and the changes of their gradients; a pair without curvature counts as none."""

    def __init__(self) -> None:
        self._pairs: list[tuple[Tensor, Tensor, Tensor]] = []  # s, y, 1 / sᵀy, or 0 where the pair does not count

    def add(self, steps: Tensor, changes: Tensor) -> None:
        curvature = (steps * changes).sum(dim=1)
        counts = curvature > 1e-10 * changes.square().sum(dim=1)
        inverse = torch.where(counts, 1 / curvature, torch.zeros_like(curvature))
        self._pairs = [*self._pairs, (steps, changes, inverse)][-_PAIRS:]

    def direction(self, gradients: Tensor) -> Tensor:
        """Multiply minus the gradients by the inverse Hessian (Nocedal & Wright, algorithm 7.4)."""
        result: Tensor = -gradients
        shares = []
        for steps, changes, inverse in reversed(self._pairs):
            share = inverse * (steps * result).sum(dim=1)
            result = result - share[:, None] * changes
            shares.append(share)
        scale = 1 / gradients.norm(dim=1).clamp(min=1e-30)  # without any: as far as drawn codes deviate
        for steps, changes, inverse in self._pairs:  # the latest pair that counts decides
            latest = (steps * changes).sum(dim=1) / changes.square().sum(dim=1)
            scale = torch.where(inverse > 0, latest, scale)
        result = result * scale[:, None]
        for (steps, changes, inverse), share in zip(self._pairs, reversed(shares), strict=True):
            result = result + steps * (share - inverse * (changes * result).sum(dim=1))[:, None]
        return result
