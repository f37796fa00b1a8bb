"""What scorers say: attributes, how much a direction changes one, and which scorers there are for a model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.core.analyzer import Scorer
from zoo.errors import CapabilityError, PluginError
from zoo.plugins.entries import ScorerPlugin
from zoo.plugins.manager import Plugins
from zoo.plugins.skipped import describe_error, warn_skipped
from zoo.registry.cards import Card

CLEAR_EFFECT = 0.5
"""The smallest effect that is named: half a standard deviation, or another value at half of the codes."""

CLEAR_AGREEMENT = 0.9
"""The smallest share of codes at which a score changes the same way, for a name."""


@dataclass(frozen=True)
class Attribute:
    """An attribute of a scorer, and its `columns` among all scores.

    `values` are the names of a categorical one's, a column each: columns ``hair=red`` and ``hair=black`` are two values
    of ``hair``. An attribute of one column has none.
    """

    name: str
    scorer: str
    columns: tuple[int, ...]
    values: tuple[str, ...] = ()

    def predicted(self, scores: Tensor) -> Tensor:
        """Return the index of the likeliest value (n,) for all scores (n, columns) of a categorical attribute."""
        return scores[:, self.columns].argmax(dim=1)

    def chance(self, scores: Tensor) -> float | None:
        """Compute the share of pairs of different images (n, columns) that differ in value; None for a single score."""
        if not self.values:
            return None
        count = len(scores)
        counts = torch.bincount(self.predicted(scores), minlength=len(self.values)).to(torch.float64)
        return float(1 - (counts * (counts - 1)).sum() / (count * (count - 1)))


def read_attributes(scorers: Mapping[str, Scorer]) -> tuple[Attribute, ...]:
    """Gather the columns of scorers, side by side, into attributes, in the order of their first columns.

    Columns ``name=value`` of one scorer that share the name, two at least, are a categorical attribute.
    """
    found: dict[tuple[str, str], list[tuple[int, str]]] = {}
    columns = [(scorer, column) for scorer, one in scorers.items() for column in one.attributes]
    for place, (scorer, column) in enumerate(columns):
        found.setdefault((scorer, column.partition("=")[0]), []).append((place, column))
    attributes = []
    for (scorer, name), parts in found.items():
        if len(parts) > 1 and all("=" in column for _, column in parts):
            places, values = tuple(place for place, _ in parts), tuple(column.partition("=")[2] for _, column in parts)
            attributes.append(Attribute(name, scorer, places, values))
        else:
            attributes += [Attribute(column, scorer, (place,)) for place, column in parts]
    return tuple(attributes)


@dataclass(frozen=True)
class Effect:
    """How much a direction changes an attribute, from its end −step to its end +step, over some codes.

    For a score, `effect` is the mean over codes of the score at +step less that at −step, in standard deviations of the
    score over the unedited codes, NaN where it does not vary over them; `agreement` is the share of codes at which that
    difference has the effect's sign. For a categorical attribute, both are the share of codes at which its predicted
    value is another one at +step than at −step, and `ends` are the commonest values at −step and at +step.
    """

    attribute: str
    scorer: str
    effect: float
    agreement: float
    ends: tuple[str, str] | None = None

    @property
    def strength(self) -> float:
        """The effect on one scale for all attributes, from 0 for none to 1.

        For a categorical attribute, the share of codes. For a score, erf(abs(effect) / 2), which is 2 Φ(d/√2) − 1 of
        d = abs(effect): how much likelier an image of one end is to beat one of the other end than to lose to it, for
        normal scores that spread as those of the unedited codes (after McGraw & Wong 1992).
        """
        if math.isnan(self.effect):
            return 0.0
        return self.effect if self.ends else math.erf(abs(self.effect) / 2)

    @property
    def clear(self) -> bool:
        """Whether a direction may be named after it."""
        return abs(self.effect) >= CLEAR_EFFECT and (self.ends is not None or self.agreement >= CLEAR_AGREEMENT)

    def as_json(self) -> dict[str, Any]:
        """Return plain values; an effect that is no number becomes None."""
        return {
            "attribute": self.attribute,
            "scorer": self.scorer,
            "effect": None if math.isnan(self.effect) else self.effect,
            "agreement": self.agreement,
            "strength": self.strength,
            "ends": None if self.ends is None else list(self.ends),
        }

    def text(self) -> str:
        """Write the effect as a table does: ``0.82`` of the codes, or ``+1.3 σ``."""
        if math.isnan(self.effect):
            return "–"
        return f"{self.effect:.2f}" if self.ends else f"{self.effect:+.2f} σ".replace("-", "−")

    def sentence(self) -> str:
        """Write the effect out."""
        if self.ends:
            return f"another value at {self.effect:.0%} of the codes"
        return f"{self.effect:+.1f} standard deviations, at {self.agreement:.0%} of the codes".replace("-", "−")

    def __str__(self) -> str:
        name = self.attribute.replace("_", " ")
        if self.ends is None:
            return f"{'more' if self.effect > 0 else 'less'} {name}"
        return name if self.ends[0] == self.ends[1] else f"{name}, {self.ends[0]} to {self.ends[1]}"


def measure_effect(attribute: Attribute, unedited: Tensor, minus: Tensor, plus: Tensor) -> Effect:
    """Measure the effect on one attribute from scores (n, columns) at the same codes: unedited, at −step, at +step."""
    if attribute.values:
        before, after = attribute.predicted(minus), attribute.predicted(plus)
        share = float((before != after).to(torch.float64).mean())
        ends = (_commonest(attribute, before), _commonest(attribute, after))
        return Effect(attribute.name, attribute.scorer, share, share, ends)
    [column] = attribute.columns
    differences, spread = plus[:, column] - minus[:, column], float(unedited[:, column].std())
    effect = float(differences.mean()) / spread if spread > 0 else math.nan
    agreement = float((differences.sign() == differences.mean().sign()).to(torch.float64).mean())
    return Effect(attribute.name, attribute.scorer, effect, agreement)


def strongest(effects: Sequence[Effect]) -> Effect | None:
    """Pick the effect that a direction is named after, the strongest; None where that one is not clear."""
    varying = [effect for effect in effects if not math.isnan(effect.effect)]
    best = max(varying, key=lambda effect: (effect.strength, abs(effect.effect)), default=None)
    return best if best is not None and best.clear else None


def _commonest(attribute: Attribute, values: Tensor) -> str:
    [(place, _)] = Counter(map(int, values)).most_common(1)
    return attribute.values[place]


def fitting_scorers(card: Card, plugins: Mapping[str, ScorerPlugin]) -> dict[str, Scorer]:
    """Load the scorers whose attributes mean something for a model; one that fails is skipped with a warning."""
    fitting = {}
    for name, plugin in plugins.items():
        try:
            scorer = plugin.resolve()()
            if scorer.attributes and scorer.fits(card):
                fitting[name] = scorer
        except Exception as error:
            skip_scorer(name, card, error)
    return fitting


def choose_scorers(card: Card, plugins: Plugins, name: str | None = None) -> dict[str, Scorer]:
    """Load the scorers that fit a model, or of them the one called `name`.

    Raises `UnknownNameError` for a name that no scorer bears, `CapabilityError` where none fits.
    """
    if name is not None:
        plugins.scorer(name)
    fitting = fitting_scorers(card, plugins.scorers)
    chosen = {one: scorer for one, scorer in fitting.items() if name in {None, one}}
    if not chosen:
        asked = f"no scorer fits {card.name}"
        if name is not None:
            asked = f"the scorer {name} does not fit {card.name}, but {', '.join(fitting) or 'none'} does"
        there = "; ".join(f"{plugin.name} ({plugin.summary})" for plugin in plugins.scorers.values())
        raise CapabilityError(f"{asked}: there are {there or 'none'}; a plugin can bring one")
    return chosen


def skip_scorer(name: str, card: Card, error: Exception) -> None:
    """Go on without a scorer: a name is not worth the loss of an analysis."""
    if isinstance(error, PluginError):  # it was not even loaded, and says so
        warn_skipped(f"{error}; it was skipped", error)
    else:
        warn_skipped(f"the scorer {name} failed on {card.name} and was skipped: {describe_error(error)}", error)
