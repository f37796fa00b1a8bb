"""Levenberg–Marquardt with exact Jacobians, and Broyden's correction between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# The damping μ is a share of the largest entry on the diagonal of JᵀJ (Nielsen 1999; Madsen, Nielsen & Tingleff,
# Methods for Non-Linear Least Squares Problems, 2004, algorithm 3.16).
_FIRST_DAMPING = 1e-3
# A step that gains less than this share of what the Jacobian predicted calls for an exact one.
_LEAST_GAIN = 0.25
# Steps between two exact Jacobians, at most.
_MOST_CORRECTIONS = 20
# It ends when an exact Jacobian promises, or a step gains, less than this share of the value.
_LEAST_PROGRESS = 1e-6
# ‖r‖² that is as good as none: 116 dB. From there on, only rounding is left to gain.
_NOTHING = 1e-11
# Within so many steps its value must fall to this share, else it has come to a minimum that is not the picture. Near a
# picture (26 dB) it may cross a plateau before it falls at once: there it has more time.
_PATIENCE, _PATIENCE_NEAR = 12, 30
_NEAR = 4 / 10**2.6 / 2
_LEAST_FALL = 0.9
# In a brief run, the value must fall to this share (2 dB) within so many exact Jacobians: towards the picture it does,
# and elsewhere it creeps.
_BRIEF_PATIENCE, _BRIEF_FALL = 5, 0.6

# Returns r (rows,) at u (dim,); and r with J (rows, dim).
Residual = Callable[[Tensor], Tensor]
Linearize = Callable[[Tensor], tuple[Tensor, Tensor]]


def minimize_levenberg_marquardt(
    residual: Residual,
    linearize: Linearize,
    point: Tensor,
    rounds: int,
    *,
    ridge: float = 0.0,
    brief: bool = False,
    tick: Callable[[], None],
) -> Tensor:
    """Minimise ½‖r(u)‖² + ridge ‖u‖².

    Args:
        residual: Computes r.
        linearize: Computes r and J.
        point: Where to start, u (dim,), float64.
        rounds: How many steps are tried at most.
        ridge: The weight of ‖u‖².
        brief: Stop where the value creeps, as it mostly does on the way to a minimum that is not the picture.
        tick: Called after each step.

    Returns:
        The point found, (dim,); its value is not above that at the start.
    """
    weight = 2 * ridge
    r, jacobian = linearize(point)
    exact, corrections = True, 0
    damping, growth = _FIRST_DAMPING, 2.0
    value = float(r.square().sum() + weight * point.square().sum()) / 2
    past, at_exact = [value], [value]
    for _ in range(rounds):
        if 2 * value <= _NOTHING:
            break
        past.append(value)
        patience = _PATIENCE_NEAR if value < _NEAR else _PATIENCE
        if len(past) > patience and value > _LEAST_FALL * past[-1 - patience]:
            break
        normal = jacobian.T @ jacobian
        normal.diagonal().add_(weight)
        gradient = jacobian.T @ r + weight * point
        scale = float(normal.diagonal().max())
        normal.diagonal().add_(damping * scale)
        step = -torch.linalg.solve(normal, gradient)
        promised = -float(gradient @ step) / 2 + damping * scale * float(step @ step) / 2
        if exact and promised <= _LEAST_PROGRESS * value:
            break
        new_r = residual(point + step)
        new_value = float(new_r.square().sum() + weight * (point + step).square().sum()) / 2
        gain = (value - new_value) / max(promised, 1e-300)
        tick()
        change = new_r - r - jacobian @ step
        if gain > 0:
            point, r, value = point + step, new_r, new_value
            damping *= max(1 / 3, 1 - (2 * gain - 1) ** 3)
            growth = 2.0
        if (gain < _LEAST_GAIN and not exact) or corrections >= _MOST_CORRECTIONS:
            at_exact.append(value)
            if brief and _creeps(at_exact):
                break
            r, jacobian = linearize(point)
            exact, corrections = True, 0
            continue
        if gain <= 0:
            damping *= growth
            growth *= 2
            if damping > 1e8:
                break
            continue
        # Broyden's rank-one correction: the change of J, of the smallest norm, with which J s is what was seen.
        jacobian = jacobian + torch.outer(change, step) / (step @ step)
        exact, corrections = False, corrections + 1
    return point


def _creeps(values: Sequence[float]) -> bool:
    """Say whether a brief run is given up, by the values at its exact Jacobians."""
    return len(values) > _BRIEF_PATIENCE + 1 and values[-1] > _BRIEF_FALL * values[-1 - _BRIEF_PATIENCE]
