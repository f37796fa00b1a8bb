"""The search for the codes of pictures: restarts, solvers, and the choice between what they find."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import compress, pairwise

import torch
from torch import Tensor

from zoo._utils.progress import Progress
from zoo.core.codes import Codes
from zoo.errors import OptionError
from zoo.inversion.options import SearchOptions
from zoo.inversion.solving.candidates import FAR, NEAR, Candidate, judged
from zoo.inversion.solving.effort import Clock, batch_size
from zoo.inversion.solving.problem import Problem
from zoo.inversion.solving.solvers import BY_JACOBIANS, STRONG_RIDGE, WEAK_RIDGE, Solvers
from zoo.inversion.solving.starts import Starts

# How many starts are tried at most where exact Jacobians pay. L-BFGS alone seldom reproduces a picture from any start.
USUAL_STARTS = 6
# Where none of them leads to the picture, the search goes on from codes around the best of what was found (basin
# hopping: Wales & Doye 1997, with all hops of a round at once): how many in a round, and how far off each round's are,
# in deviations of drawn codes. There is another round where the error falls to this share (1 dB) in one. From 24 dB on,
# there are two in any case, as the model then seems to be able to draw the picture.
_HOPS, _HOP_LENGTHS = 8, (0.2, 0.4, 0.2, 0.4)
SEEMS_DRAWN, _FALL_OF_ROUND = 4 / 10**2.4, 0.8
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
        batch = batch_size(problem.with_labels(starts.take([0] * len(problem), 0).labels))
        self._solvers = Solvers(problem, options.ridge, batch)
        self._most_starts = options.starts or (USUAL_STARTS if self._solvers.exact_jacobian else 1)
        if options.rows == "free":
            self._most_starts = 1  # rows are freed at once
        count = len(problem)
        # The best code under the weak ridge, and the best one under the last ridge, which is usually none.
        self._held: list[Candidate | None] = [None] * count
        # What the first start of a picture came to while its class was sought.
        self._begun: dict[int, Candidate] = {}
        self.found: list[Candidate | None] = [None] * count
        self.tried = [0] * count
        most = self._most_starts + (len(_HOP_LENGTHS) * _HOPS if self._may_hop else 0)
        self._clock = self._solvers.clock = Clock(progress, count * self._solvers.rounds(most))

    def run(self) -> None:
        """Search. What has been found stands in `found` whenever this is interrupted."""
        everything = range(len(self._problem))
        for index in everything:
            self._begin(index)
        self._choose_classes()
        for ranks in self._turns():
            if pending := [index for index in everything if not self._is_reproduced(index)]:
                self._turn(pending, ranks)
            self._clock.advance_to(len(everything) * self._solvers.rounds(ranks.stop))
        if self._may_hop:
            self._hop_around()
        for index in everything:
            self._go_on_where_it_crept(index)
        self._settle([index for index in everything if not self._is_reproduced(index)])
        self._clock.finish()

    @property
    def method(self) -> str:
        """Which solvers are used, and why."""
        return self._solvers.method

    def _turns(self) -> list[range]:
        """Say which starts are tried together: the nearest alone, and then as many as are tried in any case."""
        ends = [end for end in (1, USUAL_STARTS) if end < self._most_starts]
        return [range(*pair) for pair in pairwise([0, *ends, self._most_starts])]

    @property
    def _may_hop(self) -> bool:
        return self._solvers.exact_jacobian and self._options.starts is None and self._options.rows != "free"

    @property
    def _only_frees(self) -> bool:
        """Whether a picture that is far off is left to free rows: without exact Jacobians, tied ones come no nearer."""
        return self._layered and not self._solvers.exact_jacobian and self._options.rows == "auto"

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
        each = _STARTS_OF_CLASS if self._solvers.exact_jacobian else 1
        for picture in range(len(self._problem)):
            nearest = self._starts.nearest_of_classes(picture, _MOST_TRIED_CLASSES, each)
            held = self._hold([picture] * len(nearest), self._starts.at(nearest))
            best = min(held, key=lambda candidate: candidate.value)
            kept = [one.label for one in held if one.label is not None and one.value <= _AS_GOOD * best.value]
            self._starts.prefer(picture, nearest[held.index(best)], torch.stack(kept), self._generator)
            self._begun[picture] = best

    def _hold(self, pictures: Sequence[int], codes: Codes) -> list[Candidate]:
        """Search from codes, one for each picture, under a ridge."""
        return self._solvers.hold(self._problem.take(pictures).with_labels(codes.labels), self._tied(codes))

    def _turn(self, pictures: list[int], ranks: range) -> None:
        """Search from the next starts of some pictures: from all under a ridge, and from the best of them without."""
        held = {index: [self._begun[index]] if index in self._begun and not ranks.start else [] for index in pictures}
        items = [(index, rank) for index in pictures for rank in ranks if rank or not held[index]]
        if items:
            owners = [index for index, _ in items]
            codes = self._starts.at([self._starts.order[index][rank] for index, rank in items])
            for index, candidate in zip(owners, self._hold(owners, codes), strict=True):
                held[index].append(candidate)
        self._note(held)
        for index, candidates in held.items():
            best = min(candidates, key=lambda candidate: candidate.value)
            if best.is_better_than(self._held[index]):
                self._held[index] = best
        if self._options.rows != "free":
            self._go_on_from(held)

    def _note(self, held: Mapping[int, list[Candidate]]) -> None:
        """Count starts, and keep the best of what they led to."""
        for index, candidates in held.items():
            self.tried[index] += len(candidates)
            self._keep(index, min(candidates, key=lambda candidate: candidate.error))

    def _go_on_from(self, held: Mapping[int, list[Candidate]], *, hopping: bool = False) -> None:
        """Go on without a ridge from the best of what was held, and from the next until a picture is reproduced."""
        waiting = {index: self._promising(candidates, hopping) for index, candidates in held.items()}
        for turn in range(max(map(len, waiting.values()))):
            going_on = [index for index in held if turn == 0 or not self._is_reproduced(index)]
            pending = [index for index in going_on if turn < len(waiting[index])]
            if not pending:
                return
            finished = self._solvers.finish(*self._at([(index, waiting[index][turn]) for index in pending]))
            for index, candidate in zip(pending, finished, strict=True):
                self._keep(index, candidate)

    def _promising(self, candidates: Sequence[Candidate], hopping: bool) -> list[Candidate]:
        """Choose the best ones, and of drawn codes also the others that have come near the picture."""
        share = 0.0 if self._only_frees else _SHARE_THAT_GOES_ON
        count = math.ceil(share * len(candidates))
        ranked = sorted(candidates, key=lambda candidate: candidate.value)
        return [one for rank, one in enumerate(ranked) if rank < count or (one.error < NEAR and not hopping)]

    def _at(self, candidates: Sequence[tuple[int, Candidate]]) -> tuple[Problem, Tensor]:
        """Return the problem of some pictures with the classes of candidates, and their coordinates."""
        labels = [one.label for _, one in candidates if one.label is not None]
        problem = self._problem.take([index for index, _ in candidates])
        problem = problem.with_labels(torch.stack(labels) if labels else None)
        return problem, torch.stack([one.coordinates for _, one in candidates])

    def _keep(self, index: int, candidate: Candidate) -> None:
        found = self.found[index]
        if found is None or candidate.error < found.error:
            self.found[index] = candidate

    def _hop_around(self) -> None:
        """Search around what was found, in rounds, where it is worth while."""
        before = dict.fromkeys(range(len(self._problem)), math.inf)
        for turn, length in enumerate(_HOP_LENGTHS):
            best = {index: found for index, found in enumerate(self.found) if found is not None}
            worth = [self._is_worth_a_hop(found, before[index], turn) for index, found in best.items()]
            pending = dict(compress(best.items(), worth))
            if not pending:
                return
            before = {index: found.error for index, found in best.items()}
            self._hop(pending, length, turn)

    def _is_worth_a_hop(self, found: Candidate, before: float, turn: int) -> bool:
        """Say whether to search around a code, by its error and the one before the last round."""
        if found.reproduces:
            return False
        gained = found.error < _FALL_OF_ROUND * before
        if found.error < SEEMS_DRAWN:
            return gained or turn == 1
        freed = self._layered and self._options.rows == "auto"
        return gained and not freed

    def _hop(self, around: Mapping[int, Candidate], length: float, turn: int) -> None:
        """Search from a round of codes around the best one of each picture."""
        owners = [index for index in around for _ in range(_HOPS)]
        problem, coordinates = self._at([(index, around[index]) for index in owners])
        # The same offsets for each picture, so that what is found of one does not depend on what else is sought.
        generator = torch.Generator().manual_seed(self._generator.initial_seed() + turn)
        offsets = length * torch.randn(_HOPS, coordinates.shape[1], generator=generator).to(coordinates)
        far_out = torch.tensor([max(1.0, around[index].distance) for index in owners]).to(coordinates)
        coordinates = coordinates + far_out[:, None] * offsets.repeat(len(around), 1)
        held: dict[int, list[Candidate]] = {index: [] for index in around}
        for index, candidate in zip(owners, self._solvers.fall(problem, coordinates), strict=True):
            held[index].append(candidate)
        self._note(held)
        self._go_on_from(held, hopping=True)

    def _go_on_where_it_crept(self, index: int) -> None:
        """Go on with exact Jacobians from the best code, where they were given up."""
        found = self.found[index]
        if found is not None and found.how == BY_JACOBIANS and not found.reproduces:
            self._keep(index, self._solvers.finish_patiently(*self._at([(index, found)])))

    def _settle(self, pictures: list[int]) -> None:
        """Choose codes for pictures that the model cannot draw, or does not from the starts that were tried."""
        free = self._layered and self._options.rows in {"auto", "free"}
        ridge = WEAK_RIDGE if self._options.ridge is None else self._options.ridge
        wanted = [index for index in pictures if free or self._is_far(index)]
        chosen = {index: held for index in wanted if (held := self._held[index]) is not None}
        if not chosen:
            return
        problem, coordinates = self._at([*chosen.items()])
        if free:
            coordinates = coordinates[:, None].repeat(1, problem.adapter.space.layers, 1)
        coordinates = self._solvers.descend(problem, coordinates, ridge)
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
