"""Levenberg–Marquardt with exact Jacobians, and Broyden's correction between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# The damping μ is a share of the largest entry on the diagonal of JᵀJ (Nielsen 1999; Madsen, Nielsen & Tingleff,
# Methods for Non-Linear Least Squares Problems, 2004, algorithm 3.16).
_FIRST_DAMPING, _MOST_DAMPING = 1e-3, 1e8
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
    descent = _Descent(residual, linearize, point, 2 * ridge)
    values, at_exact = [descent.value], [descent.value]
    for _ in range(rounds):
        values.append(descent.value)
        if 2 * descent.value <= _NOTHING or _stays(values):
            break
        step, promised = descent.propose()
        if descent.exact and promised <= _LEAST_PROGRESS * descent.value:
            break
        gain = descent.attempt(step, promised)
        tick()
        if descent.is_stale(gain):
            at_exact.append(descent.value)
            if brief and _creeps(at_exact):
                break
            descent.linearize()
        elif gain > 0:
            descent.correct(step)
        elif not descent.damp():
            break
    return descent.point


class _Descent:
    """A point with its residual and Jacobian, and how much the next step is damped."""

    def __init__(self, residual: Residual, linearize: Linearize, point: Tensor, weight: float) -> None:
        self._residual, self._linearize, self._weight = residual, linearize, weight
        self.point = point
        self.linearize()
        self.value = self._measure(point, self._r)
        self._damping, self._growth = _FIRST_DAMPING, 2.0

    def linearize(self) -> None:
        """Compute an exact Jacobian."""
        self._r, self._jacobian = self._linearize(self.point)
        self._corrections = 0

    @property
    def exact(self) -> bool:
        """Whether the Jacobian is that of the point, and not a corrected one."""
        return not self._corrections

    def is_stale(self, gain: float) -> bool:
        """Say whether an exact Jacobian is due after a step of some gain."""
        return (gain < _LEAST_GAIN and not self.exact) or self._corrections >= _MOST_CORRECTIONS

    def propose(self) -> tuple[Tensor, float]:
        """Return the damped step, and how much less the value is there if the Jacobian is right.

        Without any step that the Jacobian knows of, as where all pixels are clamped, both are 0.
        """
        normal = self._jacobian.T @ self._jacobian
        normal.diagonal().add_(self._weight)
        gradient = self._jacobian.T @ self._r + self._weight * self.point
        damping = self._damping * float(normal.diagonal().max())
        normal.diagonal().add_(damping)
        solved, failed = torch.linalg.solve_ex(normal, gradient)
        step = torch.zeros_like(gradient) if failed else -solved
        return step, -float(gradient @ step) / 2 + damping * float(step @ step) / 2

    def attempt(self, step: Tensor, promised: float) -> float:
        """Take a step if the value falls; return the share of what was promised by which it does."""
        r = self._residual(self.point + step)
        value = self._measure(self.point + step, r)
        gain = (self.value - value) / max(promised, 1e-300)
        self._unforeseen = r - self._r - self._jacobian @ step
        if gain > 0:
            self.point, self._r, self.value = self.point + step, r, value
            self._damping *= max(1 / 3, 1 - (2 * gain - 1) ** 3)
            self._growth = 2.0
        return gain

    def correct(self, step: Tensor) -> None:
        """Change J by a matrix of rank one, of the smallest norm, so that J s is what was seen (Broyden 1965)."""
        self._jacobian = self._jacobian + torch.outer(self._unforeseen, step) / (step @ step)
        self._corrections += 1

    def damp(self) -> bool:
        """Damp the next step more, after one that was not taken; say whether that has a point."""
        self._damping *= self._growth
        self._growth *= 2
        return self._damping <= _MOST_DAMPING

    def _measure(self, point: Tensor, r: Tensor) -> float:
        return float(r.square().sum() + self._weight * point.square().sum()) / 2


def _stays(values: Sequence[float]) -> bool:
    """Say whether the value, the last one, has hardly fallen for as long as it may."""
    patience = _PATIENCE_NEAR if values[-1] < _NEAR else _PATIENCE
    return len(values) > patience and values[-1] > _LEAST_FALL * values[-1 - patience]


def _creeps(values: Sequence[float]) -> bool:
    """Say whether a brief run is given up, by the values at its exact Jacobians."""
    return len(values) > _BRIEF_PATIENCE + 1 and values[-1] > _BRIEF_FALL * values[-1 - _BRIEF_PATIENCE]
