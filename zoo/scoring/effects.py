"""Attributes of scorers, how much a direction changes one, and which scorers fit a model."""

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

# The smallest effect that a direction is named after: half a standard deviation, or another value at half of the codes.
CLEAR_EFFECT = 0.5

# The smallest share of codes at which a score must change the same way for that.
CLEAR_AGREEMENT = 0.9


@dataclass(frozen=True)
class Attribute:
    """An attribute of a scorer.

    Columns ``hair=red`` and ``hair=black`` are two values of the categorical attribute ``hair``.

    Attributes:
        name: The name.
        scorer: The name of its scorer.
        columns: Its columns among the columns of all scorers.
        values: The names of a categorical attribute's values, one for each column; empty otherwise.
    """

    name: str
    scorer: str
    columns: tuple[int, ...]
    values: tuple[str, ...] = ()

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
            attributes += [Attribute(column, scorer, (index,)) for index, column in group]
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
        agreement: For a score, the share of codes at which that difference has the sign of `effect`. For a categorical
            attribute, the same as `effect`.
        ends: The most common values of a categorical attribute at −step and at +step; None for a score.
    """

    attribute: str
    scorer: str
    effect: float
    agreement: float
    ends: tuple[str, str] | None = None

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
        return abs(self.effect) >= CLEAR_EFFECT and (self.ends is not None or self.agreement >= CLEAR_AGREEMENT)

    def as_json(self) -> dict[str, Any]:
        """Return plain values; an effect that is NaN becomes None."""
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
    """Measure the effect of a direction on one attribute.

    Args:
        attribute: The attribute.
        unedited: The scores of all scorers (n, columns) at unedited codes.
        minus: The scores at the same codes, moved by −step.
        plus: The scores at the same codes, moved by +step.

    Returns:
        The effect.
    """
    if attribute.values:
        before, after = attribute.predicted(minus), attribute.predicted(plus)
        share = float((before != after).to(torch.float64).mean())
        ends = (_most_common(attribute, before), _most_common(attribute, after))
        return Effect(attribute.name, attribute.scorer, share, share, ends)
    [column] = attribute.columns
    differences = plus[:, column] - minus[:, column]
    spread = float(unedited[:, column].std())
    effect = float(differences.mean()) / spread if spread > 0 else math.nan
    agreement = float((differences.sign() == differences.mean().sign()).to(torch.float64).mean())
    return Effect(attribute.name, attribute.scorer, effect, agreement)


def strongest(effects: Sequence[Effect]) -> Effect | None:
    """Choose the effect that a direction is named after.

    Args:
        effects: Its effects.

    Returns:
        The strongest effect; None if it is not clear.
    """
    varying = [effect for effect in effects if not math.isnan(effect.effect)]
    best = max(varying, key=lambda effect: (effect.strength, abs(effect.effect)), default=None)
    return best if best is not None and best.clear else None


def _most_common(attribute: Attribute, values: Tensor) -> str:
    [(index, _)] = Counter(map(int, values)).most_common(1)
    return attribute.values[index]


def fitting_scorers(card: Card, plugins: Mapping[str, ScorerPlugin]) -> dict[str, Scorer]:
    """Load the scorers whose attributes mean something for a model; one that fails is skipped with a warning.

    Args:
        card: The card of the model.
        plugins: The installed scorers by name.

    Returns:
        The scorers that fit, by name.
    """
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
    """Load the scorers that fit a model, or one of them.

    Args:
        card: The card of the model.
        plugins: The installed plugins.
        name: The scorer to load; None loads all that fit.

    Returns:
        The scorers by name, at least one.

    Raises:
        UnknownNameError: If no scorer has that name.
        CapabilityError: If none fits, or the named one does not.
    """
    if name is not None:
        plugins.scorer(name)
    fitting = fitting_scorers(card, plugins.scorers)
    chosen = {one: scorer for one, scorer in fitting.items() if name in {None, one}}
    if not chosen:
        refusal = f"no scorer fits {card.name}"
        if name is not None:
            refusal = f"the scorer {name} does not fit {card.name}, but {', '.join(fitting) or 'none'} does"
        installed = "; ".join(f"{plugin.name} ({plugin.summary})" for plugin in plugins.scorers.values())
        raise CapabilityError(f"{refusal}: there are {installed or 'none'}; a plugin can bring one")
    return chosen


def skip_scorer(name: str, card: Card, error: Exception) -> None:
    """Warn that a scorer is left out: suggested names are not worth the loss of an analysis.

    Args:
        name: The scorer.
        card: The card of the model.
        error: What it failed with.

    Raises:
        PluginError: If ``ZOO_STRICT_PLUGINS`` is set.
    """
    if isinstance(error, PluginError):  # its message already says that it could not be loaded
        warn_skipped(f"{error}; it was skipped", error)
    else:
        warn_skipped(f"the scorer {name} failed on {card.name} and was skipped: {describe_error(error)}", error)
