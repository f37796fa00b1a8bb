"""Attributes of scorers, and how much a direction changes one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.core.analyzer import Scorer

# The smallest effect that a direction is named after: half a standard deviation, or another value at half of the codes.
CLEAR_EFFECT = 0.5

# The smallest share of codes at which a score must change the same way for that.
CLEAR_AGREEMENT = 0.9

# For scorers that react to any change, how many standard deviations of random directions an effect must exceed.
CLEAR_Z = 3.0

# A name says a value, or a path from one value to another, that is seen at more than this share of the codes.
SEEN_AT_MOST_CODES = 0.5


@dataclass(frozen=True)
class Attribute:
    """An attribute of a scorer.

    Columns ``hair=red`` and ``hair=black`` are two values of the categorical attribute ``hair``.

    Attributes:
        name: The name.
        scorer: The name of its scorer.
        columns: Its columns among the columns of all scorers.
        values: The names of a categorical attribute's values, one for each column; empty otherwise.
        poles: What images of a low and of a high score show; None where the scorer does not say.
        against_random: Whether its effects are compared with those of random directions.
    """

    name: str
    scorer: str
    columns: tuple[int, ...]
    values: tuple[str, ...] = ()
    poles: tuple[str, str] | None = None
    against_random: bool = False

    def predicted(self, scores: Tensor) -> Tensor:
        """Predict the value of a categorical attribute.

        Args:
            scores: The scores of all scorers (n, columns).

        Returns:
            The index of the value of the highest score (n,).
        """
        return scores[:, self.columns].argmax(dim=1)

    def chance(self, scores: Tensor) -> float | None:
        """Compute how often two images differ in value by chance.

        Args:
            scores: The scores of all scorers (n, columns) at unedited images, at least 2.

        Returns:
            The share of pairs of different images that differ in value; None if the attribute is not categorical.
        """
        if not self.values:
            return None
        count = len(scores)
        counts = torch.bincount(self.predicted(scores), minlength=len(self.values)).to(torch.float64)
        return float(1 - (counts * (counts - 1)).sum() / (count * (count - 1)))


def read_attributes(scorers: Mapping[str, Scorer]) -> tuple[Attribute, ...]:
    """Group the columns of scorers, side by side, into attributes.

    Two or more columns ``name=value`` of one scorer that share the name are a categorical attribute.

    Args:
        scorers: The scorers by name, in the order of their columns.

    Returns:
        The attributes, in the order of their first columns.
    """
    groups: dict[tuple[str, str], list[tuple[int, str]]] = {}
    columns = [(scorer, column) for scorer, one in scorers.items() for column in one.attributes]
    for index, (scorer, column) in enumerate(columns):
        groups.setdefault((scorer, column.partition("=")[0]), []).append((index, column))
    attributes = []
    for (scorer, name), group in groups.items():
        if len(group) > 1 and all("=" in column for _, column in group):
            indices = tuple(index for index, _ in group)
            values = tuple(column.partition("=")[2] for _, column in group)
            attributes.append(Attribute(name, scorer, indices, values))
        else:
            asked = scorers[scorer]
            attributes += [
                Attribute(column, scorer, (index,), (), asked.poles.get(column), asked.against_random)
                for index, column in group
            ]
    return tuple(attributes)


@dataclass(frozen=True)
class Effect:
    """How much a direction changes an attribute, from its end at −step to its end at +step, over some codes.

    Attributes:
        attribute: The name of the attribute.
        scorer: The name of its scorer.
        effect: For a score, the mean over codes of the score at +step minus that at −step, in standard deviations of
            the score over the unedited codes; NaN where it does not vary over them. For a categorical attribute, the
            share of codes at which its predicted value differs between the ends.
        agreement: For a score, the share of codes at which that difference has the sign of `effect`; for one that is
            compared with random directions, the share of all differences that has it, so that codes that hardly change
            hardly count. For a categorical attribute, the same as `effect`.
        ends: The values of a categorical attribute at −step and at +step, each None unless most codes show it there
            and another value at the other end; None for a score.
        z: The effect in standard deviations of the effects of random directions that change the image as much; None
            where it is not compared with those.
        poles: What images of a low and of a high score show; None where the scorer does not say.
    """

    attribute: str
    scorer: str
    effect: float
    agreement: float
    ends: tuple[str | None, str | None] | None = None
    z: float | None = None
    poles: tuple[str, str] | None = None

    @property
    def strength(self) -> float:
        """The effect on one scale for all attributes, from 0 for none to 1.

        For a categorical attribute, the share of codes. For a score, the common-language effect size (McGraw & Wong
        1992), rescaled: the probability that an image of one end scores higher than one of the other end, minus that
        it scores lower, for normal scores that spread as those of the unedited codes.
        """
        # P(higher) = Φ(d / √2) with d = |effect|, and 2 Φ(d / √2) − 1 = erf(d / 2)
        if math.isnan(self.effect):
            return 0.0
        return self.effect if self.ends else math.erf(abs(self.effect) / 2)

    @property
    def clear(self) -> bool:
        """Whether a direction may be named after this effect."""
        if self.ends is not None:
            return self.effect >= CLEAR_EFFECT
        if self.agreement < CLEAR_AGREEMENT:
            return False
        return abs(self.effect) >= CLEAR_EFFECT if self.z is None else abs(self.z) > CLEAR_Z

    @property
    def rank(self) -> tuple[float, float, float]:
        """What effects are ordered by: clear ones first, then by strength, or by z where there is one."""
        return float(self.clear), self.strength, abs(self.z if self.z is not None else self.effect)

    def as_json(self) -> dict[str, Any]:
        """Return plain values; an effect that is NaN becomes None."""
        return {
            "attribute": self.attribute,
            "scorer": self.scorer,
            "effect": None if math.isnan(self.effect) else self.effect,
            "agreement": self.agreement,
            "strength": self.strength,
            "ends": None if self.ends is None else list(self.ends),
            **({} if self.z is None else {"z": self.z}),
            **({} if self.poles is None else {"poles": list(self.poles)}),
        }

    def text(self) -> str:
        """Write the effect as a table does: ``0.82`` of the codes, ``+1.3 σ``, or ``z +4.1`` of random directions."""
        if math.isnan(self.effect):
            return "–"
        if self.z is not None:
            return f"z {self.z:+.1f}".replace("-", "−")
        return f"{self.effect:.2f}" if self.ends else f"{self.effect:+.2f} σ".replace("-", "−")

    def sentence(self) -> str:
        """Write the effect out."""
        if self.ends:
            return f"another value at {self.effect:.0%} of the codes"
        beyond = "" if self.z is None else f"; {abs(self.z):.1f} times the deviation of random directions"
        return f"{self.effect:+.1f} standard deviations, at {self.agreement:.0%} of the codes{beyond}".replace("-", "−")

    def __str__(self) -> str:
        name = self.attribute.replace("_", " ")
        if self.ends is not None:
            before, after = self.ends
            path = " ".join(filter(None, (f"from {before}" if after is None else before, after and f"to {after}")))
            return f"{name}, {path}" if before or after else name
        if self.poles is not None:
            low, high = self.poles
            return f"{low} to {high}" if self.effect > 0 else f"{high} to {low}"
        return f"{'more' if self.effect > 0 else 'less'} {name}"


def measure_effect(
    attribute: Attribute, unedited: Tensor, minus: Tensor, plus: Tensor, z: Tensor | None = None
) -> Effect:
    """Measure the effect of a direction on one attribute.

    Args:
        attribute: The attribute.
        unedited: The scores of all scorers (n, columns) at unedited codes.
        minus: The scores at the same codes, moved by −step.
        plus: The scores at the same codes, moved by +step.
        z: The mean changes (columns,) in standard deviations of those of random directions, if they were compared.

    Returns:
        The effect.
    """
    if attribute.values:
        before, after = attribute.predicted(minus), attribute.predicted(plus)
        share = float((before != after).to(torch.float64).mean())
        return Effect(attribute.name, attribute.scorer, share, share, _common_path(attribute, before, after))
    [column] = attribute.columns
    differences = plus[:, column] - minus[:, column]
    spread = float(unedited[:, column].std())
    effect = float(differences.mean()) / spread if spread > 0 else math.nan
    agrees = (differences.sign() == differences.mean().sign()).to(torch.float64)
    compared = float(z[column]) if attribute.against_random and z is not None else None
    weights = differences.abs() if attribute.against_random else torch.ones_like(differences)
    agreement = float((weights * agrees).sum() / weights.sum().clamp(min=1e-300))
    return Effect(attribute.name, attribute.scorer, effect, agreement, None, compared, attribute.poles)


def strongest(effects: Sequence[Effect]) -> Effect | None:
    """Choose the effect that a direction is named after.

    Args:
        effects: Its effects.

    Returns:
        The strongest clear effect; None if none is clear.
    """
    best = next(iter(ranked(effects)), None)
    return best if best is not None and best.clear else None


def ranked(effects: Sequence[Effect]) -> list[Effect]:
    """Order the effects that a direction may be named after.

    Args:
        effects: Its effects.

    Returns:
        Those of attributes that vary, the strongest first.
    """
    varying = [effect for effect in effects if not math.isnan(effect.effect)]
    return sorted(varying, key=lambda effect: effect.rank, reverse=True)


def _common_path(attribute: Attribute, before: Tensor, after: Tensor) -> tuple[str | None, str | None]:
    """Say from which value to which one most codes change, or only the one of the two that most codes share.

    The ends are taken together: a direction that turns black and red hair blond at 40 % of the codes each, changes hair
    to blond, from no particular colour.
    """
    count = len(before)
    changed = [(int(first), int(last)) for first, last in zip(before, after, strict=True) if first != last]

    def shared(values: Sequence[Hashable]) -> Any:
        [(value, times)] = Counter(values).most_common(1) or [(None, 0)]
        return value if times > SEEN_AT_MOST_CODES * count else None

    if (path := shared(changed)) is not None:
        return attribute.values[path[0]], attribute.values[path[1]]
    first, last = shared([one for one, _ in changed]), shared([one for _, one in changed])
    return (
        None if first is None or last is not None else attribute.values[first],
        None if last is None else attribute.values[last],
    )
