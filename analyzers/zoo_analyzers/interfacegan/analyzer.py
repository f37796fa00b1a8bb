"""InterFaceGAN, "Interpreting the Latent Space of GANs for Semantic Face Editing" (Shen et al., CVPR 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo import Adapter, Analyzer, CapabilityError, Directions, Probe, unknown_name
from zoo.linalg import project_out
from zoo_analyzers.interfacegan.options import InterFaceGANOptions
from zoo_analyzers.interfacegan.scored import DirectionScores, draw_scored, read_scored
from zoo_analyzers.interfacegan.svm import fit

# The least number of codes at either end of an attribute: enough to learn from, and at least one to test on.
_FEWEST = 5

# A boundary that retains less of its length than this when others are projected out of it is dropped as noise.
SMALLEST_RETAINED = 0.01


@dataclass(frozen=True, eq=False)
class Learned:
    """The learned boundary of an attribute.

    Attributes:
        attribute: the name of the attribute.
        normal: (dim,) its unit normal, which points to higher scores.
        accuracy: the share of held-out codes on the right side.
        counts: the number of codes that it was learned from, and of those held out.

    """

    attribute: str
    normal: Tensor
    accuracy: float
    counts: Mapping[str, int]


class InterFaceGAN(Analyzer[InterFaceGANOptions]):
    """Find for each attribute the plane that separates the codes of its highest scores from those of its lowest.

    The unit normal of the plane is the direction: along it, the attribute increases. With conditions, the boundaries of
    other attributes are projected out (section 3.3). The score of a direction is its accuracy on held-out codes.
    """

    def analyze(self, adapter: Adapter, probe: Probe) -> Directions:
        """Learn the boundaries.

        Args:
            adapter: the generator.
            probe: the codes to draw more of, the layers, and the scorers that fit the model.

        Returns:
            A direction for each attribute, of highest accuracy first.

        Raises:
            UnknownNameError: an attribute or the scorer does not exist.
            CapabilityError: no scorer fits, or no boundary can be learned.
            CodesError: the file of labelled codes cannot be used.
            ContractError: the scorer returns something other than scores.

        """
        options = self.options
        scored = read_scored(options.labelled, adapter) if options.labelled else draw_scored(adapter, probe, options)
        samples = _rows(scored.latents, adapter, probe)
        wanted, conditions = self._names(scored)
        learned: dict[str, Learned] = {}
        left_out: dict[str, str] = {}
        for name in dict.fromkeys((*wanted, *conditions)):
            scores = scored.scores[:, scored.attributes.index(name)]
            try:
                learned[name] = self._learn(name, samples, scores, probe.generator)
            except ValueError as error:
                left_out[name] = str(error)
        if not any(name in learned for name in wanted):
            reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
            raise CapabilityError(f"no boundary could be learned: {reasons}")
        boundaries = sorted((learned[name] for name in wanted if name in learned), key=lambda each: -each.accuracy)
        given = [learned[name] for name in conditions if name in learned]
        record = {"scored_by": scored.source, "scored": len(samples), "left_out": left_out}
        return self._directions(adapter, probe, boundaries, given, record)

    def _names(self, scored: DirectionScores) -> tuple[list[str], list[str]]:
        """Return the attributes to find, and those that they are conditioned on."""
        known = scored.attributes
        wanted = _resolve_names(self.options.attributes, known) if self.options.attributes else list(known)
        conditions = wanted if self.options.condition == ("all",) else _resolve_names(self.options.condition, known)
        return wanted, conditions

    def _learn(self, name: str, samples: Tensor, scores: Tensor, generator: torch.Generator) -> Learned:
        """Fit a boundary to a part of the extremes, and test it on the rest. Raises `ValueError` if there are few."""
        low, high = extremes(scores, self.options.share)
        low_train, low_test = _split(low, self.options.train, generator)
        high_train, high_test = _split(high, self.options.train, generator)
        points, signs = _labelled(samples, low_train, high_train)
        test_points, test_signs = _labelled(samples, low_test, high_test)
        boundary = fit(points, signs, self.options.penalty)
        counts = {"train": len(points), "held_out": len(test_points)}
        return Learned(name, torch.from_numpy(boundary.normal), boundary.accuracy(test_points, test_signs), counts)

    def _directions(
        self,
        adapter: Adapter,
        probe: Probe,
        learned: Sequence[Learned],
        given: Sequence[Learned],
        record: dict[str, Any],
    ) -> Directions:
        """Project the conditions out of each boundary, and drop those that retain next to nothing."""
        rows = [conditioned(boundary, given) for boundary in learned]
        retained = torch.stack([row.norm() for row in rows])
        kept = [index for index in range(len(rows)) if retained[index] >= SMALLEST_RETAINED]
        dropped = [learned[index].attribute for index in range(len(rows)) if index not in kept]
        if not kept:
            raise CapabilityError("nothing is left of any boundary once others are projected out: condition on fewer")
        boundaries = [learned[index] for index in kept]
        return Directions(
            adapter.space,
            torch.stack([rows[index] / retained[index] for index in kept]),
            torch.tensor([boundary.accuracy for boundary in boundaries]),
            probe.layers if adapter.space.layers > 1 else None,
            retained[kept] if given else None,
            record
            | {
                "accuracy": {boundary.attribute: boundary.accuracy for boundary in boundaries},
                "codes_of": {boundary.attribute: dict(boundary.counts) for boundary in boundaries},
                "conditioned_on": [boundary.attribute for boundary in given],
                "dropped_attributes": dropped,
            },
            tuple(boundary.attribute for boundary in boundaries),
        )


def extremes(scores: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Select the codes of the lowest and of the highest scores.

    Codes of equal scores are never at both ends. With scores of yes and no, codes of "no" in the upper share are left
    out.

    Args:
        scores: (n,) the scores of all codes.
        share: the share of codes to take at each end, up to a half.

    Returns:
        Indices of the lowest scores, and of the highest.

    Raises:
        ValueError: fewer than five codes remain at an end.

    """
    order = scores.argsort(stable=True)
    count = int(share * len(scores))
    low, high = order[:count], order[len(order) - count :]
    if count:
        high = high[scores[high] > scores[low].max()]
        low = low[scores[low] < scores[high].min()] if len(high) else low
    if min(len(low), len(high)) < _FEWEST:
        raise ValueError(f"{len(low)} codes at the lower end and {len(high)} at the upper one are too few")
    return low, high


def attribute_of(column: str) -> str:
    """Return the attribute that a column of scores belongs to.

    Args:
        column: a name such as ``smile`` or ``hair=red``.

    Returns:
        ``hair`` for ``hair=red``, otherwise the name itself.

    """
    return column.partition("=")[0]


def conditioned(boundary: Learned, given: Sequence[Learned]) -> Tensor:
    """Project the boundaries of other attributes out of a boundary (section 3.3).

    For one other boundary this is n₁ − (n₁ᵀn₂) n₂, for several n₁ − N⁺N n₁ with their normals as the rows of N. Other
    values of the same attribute are not projected out: ``hair=red`` is not conditioned on ``hair=brown``.

    Args:
        boundary: the boundary.
        given: the boundaries to project out.

    Returns:
        (dim,) what is left of the normal, at most of length 1.

    """
    others = [other.normal for other in given if attribute_of(other.attribute) != attribute_of(boundary.attribute)]
    if not others:
        return boundary.normal
    _, values, basis = torch.linalg.svd(torch.stack(others), full_matrices=False)
    return project_out(boundary.normal[None], basis[values > 1e-9 * values[0]])[0]


def _rows(latents: Tensor, adapter: Adapter, probe: Probe) -> Tensor:
    """Return one row of each code, (n, dim): the mean of those that are moved, which differ only in truncation."""
    if adapter.space.layers == 1:
        return latents
    return latents[:, slice(None) if probe.layers is None else list(probe.layers)].mean(dim=1)


def _labelled(samples: Tensor, low: Tensor, high: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the samples (n, dim) of both ends, and their signs (n,): -1 for the lower end, 1 for the upper."""
    points: NDArray[np.float64] = samples[torch.cat([low, high])].numpy()
    return points, np.repeat([-1.0, 1.0], [len(low), len(high)])


def _split(index: Tensor, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Divide indices at random into a share to learn from and the rest, each of at least one."""
    shuffled = index[torch.randperm(len(index), generator=generator)]
    count = min(max(int(share * len(index)), 1), len(index) - 1)
    return shuffled[:count], shuffled[count:]


def _resolve_names(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the columns of attributes; the name of a categorical attribute means all its values."""
    columns = []
    for name in names:
        matching = [column for column in known if name in {column, attribute_of(column)}]
        if not matching:
            raise unknown_name("attribute that is scored", name, known)
        columns += matching
    return list(dict.fromkeys(columns))
