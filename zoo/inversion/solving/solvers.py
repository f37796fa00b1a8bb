"""The steps that a search from each start consists of: under a ridge, and then without."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from zoo._utils.progress import silent
from zoo.errors import CapabilityError
from zoo.inversion.solving.candidates import Candidate, judged
from zoo.inversion.solving.effort import Clock, choose_method
from zoo.inversion.solving.lbfgs import minimize_lbfgs
from zoo.inversion.solving.levenberg_marquardt import minimize_levenberg_marquardt
from zoo.inversion.solving.problem import Problem

# The ridge of the first rounds, which keeps the search among codes as they are drawn, and the weaker one after it,
# which is kept where the model cannot draw the picture.
STRONG_RIDGE, WEAK_RIDGE = 1e-3, 1e-5
# Rounds of L-BFGS under each; without any ridge, or with rows that may differ; before Levenberg–Marquardt, while the
# value falls, as a gradient costs a fraction of a Jacobian; and of Levenberg–Marquardt.
_RIDGE_ROUNDS = 15
_LONG_ROUNDS = 100
_FREE_ROUNDS = 60
_LM_ROUNDS = 100
# How codes are found with exact Jacobians, in words.
BY_JACOBIANS = "Levenberg–Marquardt"
# Images with a longer side above the first number are compared at these sizes first.
_COARSE_SIDES = (64, 256)


class Solvers:
    """Minimises the difference between pictures and what a network draws, from given coordinates.

    Args:
        problem: The pictures and the network.
        ridge: The weight of ‖u‖² in the end; None is 0.
        batch: How many gradients are computed at a time.

    Attributes:
        exact_jacobian: Whether exact Jacobians pay.
        method: Which solvers are used, and why.
        last_ridge: The ridge in the end.
        clock: Told of each round.
    """

    def __init__(self, problem: Problem, ridge: float | None, batch: int) -> None:
        self.exact_jacobian, self.method = choose_method(problem)
        self.last_ridge = ridge or 0.0
        self.clock = Clock(silent, 1)
        self._batch = batch

    def rounds(self, starts: int) -> int:
        """Count the rounds that a picture takes at most.

        Args:
            starts: From how many starts.

        Returns:
            The number.
        """
        return starts * self._rounds_each + _LONG_ROUNDS

    @property
    def _rounds_each(self) -> int:
        return 2 * _RIDGE_ROUNDS + (_FREE_ROUNDS + _LM_ROUNDS if self.exact_jacobian else _LONG_ROUNDS)

    def hold(self, problem: Problem, coordinates: Tensor) -> list[Candidate]:
        """Minimise under the strong ridge and then under the weak one, coarse images first.

        Args:
            problem: The pictures (n).
            coordinates: u of each (n, dim).

        Returns:
            A candidate for each.
        """
        ridge = max(WEAK_RIDGE, self.last_ridge)
        first, last = _sides(problem)
        coordinates = self._descend(problem.at_side(first), coordinates, STRONG_RIDGE, _RIDGE_ROUNDS)
        coordinates = self._descend(problem.at_side(last), coordinates, ridge, _RIDGE_ROUNDS)
        return judged(problem, coordinates, ridge, "L-BFGS under a ridge")

    def finish(self, problem: Problem, coordinates: Tensor) -> list[Candidate]:
        """Minimise under the last ridge, with exact Jacobians if they pay.

        Args:
            problem: The pictures (n).
            coordinates: u of each (n, dim).

        Returns:
            A candidate for each.
        """
        if self.exact_jacobian:
            coordinates = self._fall(problem, coordinates)
            try:
                return [
                    self._finish_exactly(problem.take([index]), coordinates[index], brief=True)
                    for index in range(len(problem))
                ]
            except CapabilityError as error:
                self.exact_jacobian, self.method = False, f"L-BFGS: {error}"
        return judged(problem, self.descend(problem, coordinates, self.last_ridge), self.last_ridge, "L-BFGS")

    def fall(self, problem: Problem, coordinates: Tensor) -> list[Candidate]:
        """Minimise by L-BFGS under the last ridge, as long as it pays.

        Args:
            problem: The pictures (n).
            coordinates: u of each (n, dim).

        Returns:
            A candidate for each.
        """
        return judged(problem, self._fall(problem, coordinates), self.last_ridge, "L-BFGS")

    def descend(self, problem: Problem, coordinates: Tensor, ridge: float) -> Tensor:
        """Minimise by L-BFGS.

        Args:
            problem: The pictures (n).
            coordinates: u of each, (n, dim) or (n, layers, dim).
            ridge: The weight of ‖u‖².

        Returns:
            The coordinates that were found.
        """
        return self._descend(problem, coordinates, ridge, _LONG_ROUNDS)

    def finish_patiently(self, problem: Problem, coordinates: Tensor) -> Candidate:
        """Minimise under the last ridge with exact Jacobians, even where the value creeps.

        Args:
            problem: A single picture.
            coordinates: Its u (1, dim).

        Returns:
            The candidate.
        """
        return self._finish_exactly(problem, coordinates[0], brief=False)

    def _fall(self, problem: Problem, coordinates: Tensor) -> Tensor:
        return self._descend(problem, coordinates, self.last_ridge, _FREE_ROUNDS, while_falling=True)

    def _descend(
        self, problem: Problem, coordinates: Tensor, ridge: float, rounds: int, *, while_falling: bool = False
    ) -> Tensor:
        return minimize_lbfgs(
            self._evaluator(problem, ridge),
            coordinates,
            rounds,
            lambda: self.clock.tick(len(problem)),
            while_falling=while_falling,
        )

    def _finish_exactly(self, problem: Problem, start: Tensor, *, brief: bool) -> Candidate:
        point = minimize_levenberg_marquardt(
            lambda u: problem.residual(u[None]),
            lambda u: problem.jacobian(u[None]),
            start,
            _LM_ROUNDS,
            ridge=self.last_ridge,
            brief=brief,
            tick=self.clock.tick,
        )
        return judged(problem, point[None], self.last_ridge, BY_JACOBIANS)[0]

    def _evaluator(self, problem: Problem, ridge: float) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
        def evaluate(points: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
            parts = [
                problem.take(some).evaluate(at, ridge)
                for at, some in zip(points.split(self._batch), items.split(self._batch), strict=True)
            ]
            values, gradients = zip(*parts, strict=True)
            return torch.cat(values), torch.cat(gradients)

        return evaluate


def _sides(problem: Problem) -> tuple[int | None, int | None]:
    """At which sizes differences are averaged under the strong and the weak ridge."""
    longer = max(problem.adapter.resolution)
    first, last = (side if longer > side else None for side in _COARSE_SIDES)
    return first if longer > _COARSE_SIDES[1] // 2 else None, last
