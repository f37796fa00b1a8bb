"""The search for the codes of pictures: restarts, solvers, and the choice between what they find."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from zoo._utils.progress import Progress
from zoo.core.codes import Codes
from zoo.errors import CapabilityError, OptionError
from zoo.inversion.options import SearchOptions
from zoo.inversion.solving.candidates import FAR, NEAR, Candidate, judged
from zoo.inversion.solving.effort import Clock, batch_size, choose_method
from zoo.inversion.solving.lbfgs import minimize_lbfgs
from zoo.inversion.solving.levenberg_marquardt import minimize_levenberg_marquardt
from zoo.inversion.solving.problem import Problem
from zoo.inversion.solving.starts import Starts

# The ridge of the first rounds, which keeps the search among codes as they are drawn, and the weaker one after it,
# which is kept where the model cannot draw the picture.
STRONG_RIDGE, WEAK_RIDGE = 1e-3, 1e-5
# Rounds of L-BFGS under each; without any ridge, or with rows that may differ; before Levenberg–Marquardt, while the
# value falls, as a gradient costs a fraction of a Jacobian; and of Levenberg–Marquardt.
_RIDGE_ROUNDS = 15
_LONG_ROUNDS = 100
_FREE_ROUNDS = 60
_LM_ROUNDS = 100
# Images with a longer side above the first number are compared at these sizes first.
_COARSE_SIDES = (64, 256)
# How many starts are tried at most where exact Jacobians pay: the second number where 24 dB are reached, as the model
# then seems to be able to draw the picture. L-BFGS alone seldom reproduces a picture from any start.
USUAL_STARTS, STARTS_NEAR, SEEMS_DRAWN = 6, 12, 4 / 10**2.4
# Of starts that are held together, this share goes on without a ridge, the best first.
_SHARE_THAT_GOES_ON = 0.5
# Classes whose best starts are searched before one is chosen, how many of each where exact Jacobians pay, and how many
# times the least value others may have to be kept beside it.
_MOST_TRIED_CLASSES, _STARTS_OF_CLASS, _AS_GOOD = 6, 2, 2.0


class Search:
    """Finds codes for pictures.

    Args:
        problem: The pictures and the network; its labels do not count.
        starts: Where to begin.
        options: What was asked for.
        progress: Told how many rounds are done.
        generator: The source of further starts, of the class that a picture turns out to have.

    Attributes:
        method: Which solvers are used, and why.
        found: What has been found so far of each picture; None where nothing has.
        tried: How many starts each picture has had.
    """

    def __init__(
        self,
        problem: Problem,
        starts: Starts,
        options: SearchOptions,
        progress: Progress,
        generator: torch.Generator,
    ) -> None:
        self._problem, self._starts, self._options = problem, starts, options
        self._generator, self._layered = generator, problem.adapter.space.layers > 1
        if options.rows == "free" and not self._layered:
            raise OptionError(f"--rows free: codes of {problem.adapter.space} have a single row")
        self._exact_jacobian, self.method = choose_method(problem)
        self._most_starts = options.starts or (STARTS_NEAR if self._exact_jacobian else 1)
        if options.rows == "free":
            self._most_starts = 1  # rows are freed at once
        count = len(problem)
        self._batch = batch_size(problem.with_labels(starts.take([0] * count, 0).labels))
        # The best code under the weak ridge, and the best one under the last ridge, which is usually none.
        self._held: list[Candidate | None] = [None] * count
        # Where exact Jacobians were given up because the value crept.
        self._crept: list[list[Candidate]] = [[] for _ in range(count)]
        # What the first start of a picture came to while its class was sought.
        self._begun: dict[int, Candidate] = {}
        self.found: list[Candidate | None] = [None] * count
        self.tried = [0] * count
        self._clock = Clock(progress, count * (self._most_starts * self._rounds_each + _LONG_ROUNDS))

    def run(self) -> None:
        """Search. What has been found stands in `found` whenever this is interrupted."""
        everything = range(len(self._problem))
        for index in everything:
            self._begin(index)
        self._choose_classes()
        for ranks in self._turns():
            if pending := [index for index in everything if self._goes_on(index, ranks.start)]:
                self._turn(pending, ranks)
            self._clock.advance_to(ranks.stop * len(everything) * self._rounds_each)
        for index in everything:
            self._go_on_where_it_crept(index)
        self._settle([index for index in everything if not self._is_reproduced(index)])
        self._clock.finish()

    def _turns(self) -> list[range]:
        """Say which starts are tried together: the nearest alone, and then as many as are tried in any case."""
        ends = [end for end in (1, USUAL_STARTS) if end < self._most_starts]
        return [range(*pair) for pair in pairwise([0, *ends, self._most_starts])]

    @property
    def _rounds_each(self) -> int:
        return 2 * _RIDGE_ROUNDS + (_FREE_ROUNDS + _LM_ROUNDS if self._exact_jacobian else _LONG_ROUNDS)

    @property
    def _only_frees(self) -> bool:
        """Whether a picture that is far off is left to free rows: without exact Jacobians, tied ones come no nearer."""
        return self._layered and not self._exact_jacobian and self._options.rows == "auto"

    @property
    def _held_ridge(self) -> float:
        return max(WEAK_RIDGE, self._options.ridge or 0.0)

    def _goes_on(self, index: int, rank: int) -> bool:
        """Say whether a picture is sought from more starts, this one and others."""
        found = self.found[index]
        if found is None or self._options.starts is not None or rank < USUAL_STARTS:
            return not self._is_reproduced(index)
        return not found.reproduces and found.error < SEEMS_DRAWN

    def _is_reproduced(self, index: int) -> bool:
        found = self.found[index]
        return found is not None and found.reproduces

    def _begin(self, index: int) -> None:
        codes = self._starts.take([index], 0)
        problem = self._problem.take([index]).with_labels(codes.labels)
        [self.found[index]] = judged(problem, self._tied(codes), STRONG_RIDGE, "the nearest drawn code")

    def _tied(self, codes: Codes) -> Tensor:
        coordinates = self._problem.prior.whiten(codes)
        return coordinates.mean(dim=1) if self._layered else coordinates

    def _choose_classes(self) -> None:
        """Search from the nearest starts of a few classes, and draw more starts of those as good as the best."""
        labels = self._starts.codes.labels
        if labels is None or len(labels.unique()) < 2:
            return
        each = _STARTS_OF_CLASS if self._exact_jacobian else 1
        for picture in range(len(self._problem)):
            nearest = self._starts.nearest_of_classes(picture, _MOST_TRIED_CLASSES, each)
            held = self._hold([picture] * len(nearest), self._starts.at(nearest))
            best = min(held, key=lambda candidate: candidate.value)
            kept = [one.label for one in held if one.label is not None and one.value <= _AS_GOOD * best.value]
            self._starts.prefer(picture, nearest[held.index(best)], torch.stack(kept), self._generator)
            self._begun[picture] = best

    def _hold(self, pictures: Sequence[int], codes: Codes) -> list[Candidate]:
        """Search from codes, one for each picture, under the strong ridge and then under the weak one."""
        problem = self._problem.take(pictures).with_labels(codes.labels)
        first, last = self._sides()
        coordinates = self._descend(problem.at_side(first), self._tied(codes), STRONG_RIDGE, _RIDGE_ROUNDS)
        coordinates = self._descend(problem.at_side(last), coordinates, self._held_ridge, _RIDGE_ROUNDS)
        return judged(problem, coordinates, self._held_ridge, "L-BFGS under a ridge")

    def _turn(self, pictures: list[int], ranks: range) -> None:
        """Search from the next starts of some pictures: from all under a ridge, and from the best of them without."""
        held = {index: [self._begun[index]] if index in self._begun and not ranks.start else [] for index in pictures}
        items = [(index, rank) for index in pictures for rank in ranks if rank or not held[index]]
        if items:
            owners = [index for index, _ in items]
            codes = self._starts.at([self._starts.order[index][rank] for index, rank in items])
            for index, candidate in zip(owners, self._hold(owners, codes), strict=True):
                held[index].append(candidate)
        for index, candidates in held.items():
            candidates.sort(key=lambda candidate: candidate.value)
            self.tried[index] += len(candidates)
            if candidates[0].is_better_than(self._held[index]):
                self._held[index] = candidates[0]
            self._keep(index, min(candidates, key=lambda candidate: candidate.error))
        if self._options.rows != "free":
            self._go_on_from(held)

    def _go_on_from(self, held: Mapping[int, list[Candidate]]) -> None:
        """Go on without a ridge from the best of what was held, and from the next until a picture is reproduced."""
        waiting = {index: self._promising(candidates) for index, candidates in held.items()}
        for turn in range(max(map(len, waiting.values()))):
            going_on = [index for index in held if turn == 0 or not self._is_reproduced(index)]
            pending = [index for index in going_on if turn < len(waiting[index])]
            if not pending:
                return
            finished = self._finish(*self._at({index: waiting[index][turn] for index in pending}))
            for index, candidate in zip(pending, finished, strict=True):
                self._keep(index, candidate)
                if self._exact_jacobian:
                    self._crept[index].append(candidate)

    def _promising(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        share = 0.0 if self._only_frees else _SHARE_THAT_GOES_ON
        count = math.ceil(share * len(candidates))
        return [one for rank, one in enumerate(candidates) if rank < count or one.error < NEAR]

    def _at(self, candidates: Mapping[int, Candidate]) -> tuple[Problem, Tensor]:
        """Return the problem of some pictures with the classes of candidates, and their coordinates."""
        labels = [one.label for one in candidates.values() if one.label is not None]
        problem = self._problem.take(list(candidates)).with_labels(torch.stack(labels) if labels else None)
        return problem, torch.stack([one.coordinates for one in candidates.values()])

    def _keep(self, index: int, candidate: Candidate) -> None:
        found = self.found[index]
        if found is None or candidate.error < found.error:
            self.found[index] = candidate

    def _go_on_where_it_crept(self, index: int) -> None:
        """Go on from where exact Jacobians were given up: from the best, and from others that are near the picture."""
        crept = sorted(self._crept[index], key=lambda candidate: candidate.error)[:USUAL_STARTS]
        for rank, candidate in enumerate(crept):
            if self._is_reproduced(index) or (rank and candidate.error > NEAR):
                return
            [again] = self._finish_exactly(*self._at({index: candidate}), candidate.ridge, brief=False)
            self._keep(index, again)

    def _finish(self, problem: Problem, coordinates: Tensor) -> list[Candidate]:
        """Go on with the last ridge."""
        ridge = self._options.ridge or 0.0
        if self._exact_jacobian:
            coordinates = self._descend(problem, coordinates, ridge, _FREE_ROUNDS, while_falling=True)
            try:
                return self._finish_exactly(problem, coordinates, ridge, brief=True)
            except CapabilityError as error:
                self._exact_jacobian, self.method = False, f"L-BFGS: {error}"
        coordinates = self._descend(problem, coordinates, ridge, _LONG_ROUNDS)
        return judged(problem, coordinates, ridge, "L-BFGS")

    def _finish_exactly(self, problem: Problem, coordinates: Tensor, ridge: float, *, brief: bool) -> list[Candidate]:
        result = []
        for index in range(len(problem)):
            single = problem.take([index])
            point = minimize_levenberg_marquardt(
                lambda u, single=single: single.residual(u[None]),  # type: ignore[misc]
                lambda u, single=single: single.jacobian(u[None]),  # type: ignore[misc]
                coordinates[index],
                _LM_ROUNDS,
                ridge=ridge,
                brief=brief,
                tick=self._clock.tick,
            )
            result += judged(single, point[None], ridge, "Levenberg–Marquardt")
        return result

    def _settle(self, pictures: list[int]) -> None:
        """Choose codes for pictures that the model cannot draw, or does not from the starts that were tried."""
        free = self._layered and self._options.rows in {"auto", "free"}
        ridge = WEAK_RIDGE if self._options.ridge is None else self._options.ridge
        wanted = [index for index in pictures if free or self._is_far(index)]
        chosen = {index: held for index in wanted if (held := self._held[index]) is not None}
        if not chosen:
            return
        problem, coordinates = self._at(chosen)
        if free:
            coordinates = coordinates[:, None].repeat(1, problem.adapter.space.layers, 1)
        coordinates = self._descend(problem, coordinates, ridge, _LONG_ROUNDS)
        how = "L-BFGS over all rows" if free else "L-BFGS under a ridge"
        for index, candidate in zip(chosen, judged(problem, coordinates, ridge, how), strict=True):
            found = self.found[index]
            if found is None or candidate.error < found.error or self._is_far(index):
                self.found[index] = candidate

    def _is_far(self, index: int) -> bool:
        """Say whether the code without a ridge is so far out that the one under a ridge is the better answer."""
        found = self.found[index]
        if found is None or self._options.ridge is not None or not self._problem.prior.lengths_count:
            return False
        return found.distance > FAR

    def _sides(self) -> tuple[int | None, int | None]:
        """At which sizes differences are averaged under the strong and the weak ridge."""
        longer = max(self._problem.adapter.resolution)
        first, last = (side if longer > side else None for side in _COARSE_SIDES)
        return first if longer > _COARSE_SIDES[1] // 2 else None, last

    def _descend(
        self, problem: Problem, coordinates: Tensor, ridge: float, rounds: int, *, while_falling: bool = False
    ) -> Tensor:
        return minimize_lbfgs(
            self._evaluator(problem, ridge),
            coordinates,
            rounds,
            lambda: self._clock.tick(len(problem)),
            while_falling=while_falling,
        )

    def _evaluator(self, problem: Problem, ridge: float) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
        def evaluate(points: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
            parts = [
                problem.take(some).evaluate(at, ridge)
                for at, some in zip(points.split(self._batch), items.split(self._batch), strict=True)
            ]
            values, gradients = zip(*parts, strict=True)
            return torch.cat(values), torch.cat(gradients)

        return evaluate
