"""InterFaceGAN, "Interpreting the Latent Space of GANs for Semantic Face Editing" (Shen et al., CVPR 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo import Adapter, Analyzer, CapabilityError, Directions, Probe, unknown_name
from zoo.linalg import project_out
from zoo_interfacegan.options import InterFaceGANOptions
from zoo_interfacegan.scored import DirectionScores, draw_scored, read_scored
from zoo_interfacegan.svm import fit

_FEWEST = 5
"""How many codes there must be at either end of an attribute to learn from, and to test on at least one."""

SMALLEST_KEPT = 0.01
"""A boundary that keeps less of its length than this, once others are projected out of it, is dropped as noise."""


@dataclass(frozen=True, eq=False)
class Learned:
    """The boundary of an attribute: unit `normal` (dim,), and its accuracy on codes that it was not learned from."""

    attribute: str
    normal: Tensor
    accuracy: float
    counts: Mapping[str, int]


class InterFaceGAN(Analyzer[InterFaceGANOptions]):
    """Find for each attribute the plane that parts the codes of its highest from those of its lowest scores.

    Its unit normal is the direction: along it, the attribute becomes more. With conditions, the boundaries of other
    attributes are projected out of it (section 3.3). Scores are accuracies on codes held out.
    """

    def analyze(self, adapter: Adapter, probe: Probe) -> Directions:
        """Learn the boundaries. Raises `UnknownNameError` for an attribute that nobody scored, `CapabilityError` where
        no boundary can be learned, and what `draw_scored` or `read_scored` raise.
        """
        options = self.options
        scored = read_scored(options.labelled, adapter) if options.labelled else draw_scored(adapter, probe, options)
        samples = _rows(scored.latents, adapter, probe)
        wanted, conditions = self._names(scored)
        learned, left_out = {}, {}
        for name in dict.fromkeys((*wanted, *conditions)):
            scores = scored.scores[:, scored.attributes.index(name)]
            try:
                learned[name] = self._learn(name, samples, scores, probe.generator)
            except ValueError as error:
                left_out[name] = str(error)
        if not any(name in learned for name in wanted):
            reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
            raise CapabilityError(f"no boundary could be learned: {reasons}")
        chosen = sorted((learned[name] for name in wanted if name in learned), key=lambda one: -one.accuracy)
        given = [learned[name] for name in conditions if name in learned]
        record = {"scored_by": scored.source, "scored": len(samples), "left_out": left_out}
        return self._directions(adapter, probe, chosen, given, record)

    def _names(self, scored: DirectionScores) -> tuple[list[str], list[str]]:
        """List the attributes that are wanted, and those that they are conditioned on."""
        known = scored.attributes
        wanted = _pick(self.options.attributes, known) if self.options.attributes else list(known)
        return wanted, wanted if self.options.condition == ("all",) else _pick(self.options.condition, known)

    def _learn(self, name: str, samples: Tensor, scores: Tensor, generator: torch.Generator) -> Learned:
        """Fit a boundary to most of the extremes, and test it on the rest. Raises `ValueError` where there are few."""
        low, high = (_split(side, self.options.train, generator) for side in extremes(scores, self.options.share))
        (points, signs), (others, theirs) = (
            (samples[torch.cat(sides)].numpy(), np.repeat([-1.0, 1.0], [len(side) for side in sides]))
            for sides in zip(low, high, strict=True)
        )
        boundary = fit(points, signs, self.options.penalty)
        counts = {"train": len(points), "held_out": len(others)}
        return Learned(name, torch.from_numpy(boundary.normal), boundary.accuracy(others, theirs), counts)

    def _directions(
        self,
        adapter: Adapter,
        probe: Probe,
        learned: Sequence[Learned],
        given: Sequence[Learned],
        record: dict[str, Any],
    ) -> Directions:
        """Project the conditions out of each boundary, and drop those of which next to nothing remains."""
        rows = [conditioned(one, given) for one in learned]
        kept = torch.stack([row.norm() for row in rows])
        staying = [index for index in range(len(rows)) if kept[index] >= SMALLEST_KEPT]
        dropped = [learned[index].attribute for index in range(len(rows)) if index not in staying]
        if not staying:
            raise CapabilityError("nothing is left of any boundary once others are projected out: condition on fewer")
        found = [learned[index] for index in staying]
        return Directions(
            adapter.space,
            torch.stack([rows[index] / kept[index] for index in staying]),
            torch.tensor([one.accuracy for one in found]),
            probe.layers if adapter.space.layers > 1 else None,
            kept[staying] if given else None,
            record
            | {
                "accuracy": {one.attribute: one.accuracy for one in found},
                "codes_of": {one.attribute: dict(one.counts) for one in found},
                "conditioned_on": [one.attribute for one in given],
                "dropped_attributes": dropped,
            },
            tuple(one.attribute for one in found),
        )


def extremes(scores: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Return the indices of the lowest and of the highest scores (n,), a share of all codes each.

    Codes of equal scores are never at both ends: with yes and no, those in the upper share that say no are left out.
    Raises `ValueError` where fewer than five remain at an end.
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


def base(name: str) -> str:
    """Return the attribute that a column is of: ``hair`` of ``hair=red``, otherwise the name itself."""
    return name.partition("=")[0]


def conditioned(one: Learned, given: Sequence[Learned]) -> Tensor:
    """Project the boundaries of other attributes out of a boundary: n₁ − N⁺N n₁; of one, n₁ − (n₁ᵀn₂) n₂ (section 3.3).

    Values of the same attribute stay: red hair is not freed from brown hair.
    """
    others = [other.normal for other in given if base(other.attribute) != base(one.attribute)]
    if not others:
        return one.normal
    _, values, basis = torch.linalg.svd(torch.stack(others), full_matrices=False)
    return project_out(one.normal[None], basis[values > 1e-9 * values[0]])[0]


def _rows(latents: Tensor, adapter: Adapter, probe: Probe) -> Tensor:
    """Take one row of each code: (n, dim). Rows that are moved differ by truncation alone, so their mean serves."""
    if adapter.space.layers == 1:
        return latents
    return latents[:, slice(None) if probe.layers is None else list(probe.layers)].mean(dim=1)


def _split(index: Tensor, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Part indices at random: a share to learn from, and the rest, at least one each."""
    mixed = index[torch.randperm(len(index), generator=generator)]
    count = min(max(int(share * len(index)), 1), len(index) - 1)
    return mixed[:count], mixed[count:]


def _pick(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Find attributes by name; a categorical attribute's name stands for all its values. Raises `UnknownNameError`."""
    found = []
    for name in names:
        matching = [one for one in known if name in {one, base(one)}]
        if not matching:
            raise unknown_name("attribute that is scored", name, known)
        found += matching
    return list(dict.fromkeys(found))
