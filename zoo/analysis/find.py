"""The combination of given directions that raises a score most for what it changes of the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.core.adapter import Adapter
from zoo.core.analyzer import Analyzer, Probe, Scorer
from zoo.core.channels import as_rgb
from zoo.core.codes import Codes
from zoo.core.directions import Directions
from zoo.core.options import Options
from zoo.editing.steps import visible_steps
from zoo.linalg.symmetric import unit_rows
from zoo.models.rendering import render_batch_size

# The search takes so many codes at a time, and looks at all of them every few steps.
_CODES_A_STEP = 8
_STEPS_BETWEEN = 10
_RATE = 0.1
# Candidates whose singular value is below this share of the largest one add nothing to their span.
_SMALLEST_SINGULAR_VALUE = 1e-6
# The smallest mean squared change that a gain is divided by.
_SMALLEST_CHANGE = 1e-8


class FindOptions(Options):
    """What is looked for, and how long.

    Attributes:
        words: What the directions raise, in words.
        steps: How many steps of gradient ascent are taken; 0 only compares the given directions.
    """

    words: str
    steps: int


@dataclass(frozen=True, eq=False)
class Candidates:
    """The directions that are combined.

    Attributes:
        vectors: Unit rows (m, dim).
        names: Where each is from, such as ``sefa 3``.
        layers: The rows of the code that all of them move.
    """

    vectors: Tensor
    names: tuple[str, ...]
    layers: tuple[int, ...] | None


class Finder(Analyzer[FindOptions]):
    """Combines candidates by gradient ascent through a scorer.

    What is maximised over unit vectors n in the span of the candidates, at fixed codes c and a fixed step s, is

        gain(n) = mean_c [a(x₊) − a(x₋)] / √(mean_c ‖x_± − x‖² / pixels),    x_± = G(c ± s n),

    the change of the score *a* for a change of the image of mean square 1: the measure by which `zoo.scoring.chance`
    compares directions with random ones. Where a region is given, the scorer sees only the changes inside it, while
    changes anywhere count in the denominator, so that what changes the rest of the image costs and gains nothing.

    Args:
        options: What is looked for.
        candidates: The directions.
        name: What the found direction is called.
    """

    def __init__(self, options: FindOptions, candidates: Candidates, name: str) -> None:
        super().__init__(options)
        self._candidates = candidates
        self._name = name

    def analyze(self, adapter: Adapter, probe: Probe) -> Directions:
        """Find the best combination, and rank the candidates.

        Args:
            adapter: The network.
            probe: The codes, the region, and the one scorer that is asked.

        Returns:
            The combination, and then the candidates, each turned so that the score rises along it; their scores are
            their gains.
        """
        [scorer] = probe.scorers.values()
        given = self._candidates
        gain = _Gain(adapter, scorer, probe, given)
        singles = torch.stack([gain.of_all(vector) for vector in gain.vectors]).detach()
        turned = given.vectors * singles.sign().where(singles != 0, torch.ones(())).cpu()[:, None]
        best = _ascend(gain, turned[int(singles.abs().argmax())], self.options.steps, probe.progress)
        order = singles.abs().argsort(descending=True).tolist()
        vectors = torch.cat([best[None], turned[order]])
        gains = torch.cat([gain.of_all(best.to(gain.vectors)).detach().cpu()[None], singles.abs()[order].cpu()])
        return Directions(
            adapter.space,
            vectors,
            gains,
            given.layers,
            given_names=(self._name, *(given.names[index] for index in order)),
            provenance={"combination": self._weights(best)},
        )

    def _weights(self, vector: Tensor) -> dict[str, float]:
        """Write the combination as a weighted sum of candidates, the least one that gives it."""
        weights = torch.linalg.lstsq(self._candidates.vectors.T, vector[:, None], driver="gelsd").solution[:, 0]
        return dict(zip(self._candidates.names, [round(float(weight), 6) for weight in weights], strict=True))


class _Gain:
    """The objective of `Finder`, at fixed codes and a fixed step."""

    def __init__(self, adapter: Adapter, scorer: Scorer, probe: Probe, candidates: Candidates) -> None:
        self.adapter, self.scorer = adapter, scorer
        self.codes, self.layers, self.progress = probe.codes, candidates.layers, probe.progress
        self.vectors = candidates.vectors.to(adapter.device, adapter.dtype)
        self.inside = torch.from_numpy(probe.region.mask.copy()).to(adapter.device)
        steps = visible_steps(adapter, probe.codes[0], candidates.vectors, probe.region, candidates.layers)
        self.step = float(steps.median())
        self._batch = min(_CODES_A_STEP, render_batch_size(adapter))

    def of(self, vector: Tensor, codes: Codes) -> tuple[Tensor, Tensor]:
        """Return the change of the score and the mean squared change of the image, summed over codes."""
        with torch.no_grad():
            unedited = as_rgb(self.adapter.synthesize(codes))
        scores, squares = [], []
        for sign in (1, -1):
            moved = as_rgb(self.adapter.synthesize(self.adapter.move(codes, sign * self.step * vector, self.layers)))
            squares.append((moved - unedited).square().mean(dim=(1, 2, 3)))
            seen = torch.where(self.inside, moved, unedited).clamp(-1, 1)
            scores.append(sign * self.scorer.score(seen)[:, 0].to(moved))
        return torch.stack(scores).sum(), torch.stack(squares).mean(dim=0).sum()

    def of_some(self, vector: Tensor, codes: Codes) -> Tensor:
        """Return the gain over a batch of codes (); it can be differentiated."""
        change, square = self.of(vector, codes)
        return change / len(codes) / (square / len(codes)).clamp(min=_SMALLEST_CHANGE).sqrt()

    @torch.no_grad()
    def of_all(self, vector: Tensor) -> Tensor:
        """Return the gain over all codes ()."""
        sums = [self.of(vector, self.codes[start : start + self._batch]) for start in self._starts]
        change, square = (torch.stack(one).sum() / len(self.codes) for one in zip(*sums, strict=True))
        return change / square.clamp(min=_SMALLEST_CHANGE).sqrt()

    def some_codes(self, number: int) -> Codes:
        """Return the codes of a step; the steps take them in turns."""
        start = self._starts[number % len(self._starts)]
        return self.codes[start : start + self._batch]

    @property
    def _starts(self) -> Sequence[int]:
        return range(0, len(self.codes), self._batch)


def _ascend(gain: _Gain, start: Tensor, steps: int, progress: Callable[[int, int, str], object]) -> Tensor:
    """Climb from the best candidate with Adam, in coordinates of an orthonormal basis of the span.

    Returns:
        The best unit vector (dim,) that was met, float64 on the CPU.
    """
    singular = torch.linalg.svd(gain.vectors.double().cpu(), full_matrices=False)
    kept = singular.S.ge(_SMALLEST_SINGULAR_VALUE * singular.S[0])
    basis = singular.Vh[kept].to(gain.vectors)
    weights = (basis @ start.to(basis)).requires_grad_()
    optimizer = torch.optim.Adam([weights], lr=_RATE)
    best, best_gain = start.double().cpu(), float(gain.of_all(start.to(basis)))
    for number in range(steps):
        progress(number, steps, "combining directions")
        optimizer.zero_grad()
        with torch.enable_grad():
            (-gain.of_some(_unit(weights @ basis), gain.some_codes(number))).backward()
        optimizer.step()
        with torch.no_grad():
            weights /= weights.norm()
        if (number + 1) % _STEPS_BETWEEN == 0 or number + 1 == steps:
            found = _unit(weights.detach() @ basis)
            reached = float(gain.of_all(found))
            if reached > best_gain:
                best, best_gain = found.double().cpu(), reached
    progress(steps, steps, "combining directions")
    return unit_rows(best[None])[0]


def _unit(vector: Tensor) -> Tensor:
    unit: Tensor = vector / vector.norm()
    return unit
