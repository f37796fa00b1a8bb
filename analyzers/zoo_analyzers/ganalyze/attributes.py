"""What changes of scores cost: of the attribute that shall change, and of those that shall stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo import unknown_name
from zoo.core import attribute_columns, named_attributes

# Probabilities below this one cost hardly more than it does: codes that no step can change do not decide.
_FLOOR = 0.05


@dataclass(frozen=True, eq=False)
class Attribute:
    """An attribute of a scorer.

    Attributes:
        name: its name, or ``hair_colour=red`` for one value of it.
        columns: its columns among those of the scorer, several for a categorical attribute.
        value: which of these is to be raised; None is any other value than the one that is there.
        deviation: the standard deviation of a score over the unedited images; 1 for a categorical attribute.
    """

    name: str
    columns: tuple[int, ...]
    value: int | None = None
    deviation: float = 1.0

    def change(self, low: Tensor, high: Tensor) -> Tensor:
        """Compute how surely the attribute changes from one end to the other.

        Args:
            low: scores of the images at the end at −step (n, columns of the scorer).
            high: scores at the end at +step.

        Returns:
            Of values, the probability that the two ends show different ones (n,), or that the wanted value is at the
            high end only. Of a score, the change in standard deviations.
        """
        before, after = self._of(low), self._of(high)
        if len(self.columns) == 1:
            return (after - before)[:, 0] / self.deviation
        if self.value is not None:
            return after[:, self.value] * (1 - before[:, self.value])
        return 1 - (before * after).sum(dim=1)

    def change_cost(self, low: Tensor, high: Tensor) -> Tensor:
        """Compute what is lacking of a change (); see `change`."""
        change = self.change(low, high)
        if len(self.columns) == 1:
            return torch.nn.functional.softplus(2 * (1 - change)).mean()
        return _cost(change)

    def kept_cost(self, unedited: Tensor, ends: Sequence[Tensor]) -> Tensor:
        """Compute what changes cost of an attribute that shall stay ().

        Args:
            unedited: scores of the unedited images (n, columns of the scorer).
            ends: scores at both ends.
        """
        before = self._of(unedited)
        if len(self.columns) == 1:
            return torch.stack([((self._of(end) - before) / self.deviation).square().mean() for end in ends]).mean()
        value = before.argmax(dim=1, keepdim=True)
        return torch.stack([_cost(self._of(end).gather(1, value)) for end in ends]).mean()

    def strength(self, low: Tensor, high: Tensor) -> float:
        """Return how much the attribute changes, from 0 to 1: a share of the codes, or erf(d / 2) of d deviations."""
        change = self.change(low, high)
        if len(self.columns) == 1:
            return float(torch.erf(change.mean().abs() / 2))
        return float(change.mean())

    def _of(self, scores: Tensor) -> Tensor:
        """Return its scores; of values, their probabilities, whether scores are logits or logarithms of them."""
        own = scores[:, self.columns]
        return own if len(self.columns) == 1 else own.softmax(dim=1)


def _cost(probability: Tensor) -> Tensor:
    """Return −log of a probability, held down, on the mean over codes."""
    return -((probability + _FLOOR) / (1 + _FLOOR)).log().mean()


def read_attributes(columns: Sequence[str], unedited: Tensor) -> dict[str, Attribute]:
    """Group the columns of a scorer; ``hair=red`` and ``hair=black`` are values of one attribute.

    Args:
        columns: the names of the columns.
        unedited: the scores of unedited images (n, columns).

    Returns:
        The attributes by name.
    """
    deviations = unedited.std(dim=0, correction=0)
    return {
        name: Attribute(name, tuple(group), None, float(deviations[group[0]]) or 1.0 if len(group) == 1 else 1.0)
        for name, group in attribute_columns(columns).items()
    }


def choose_attribute(name: str, columns: Sequence[str], known: Mapping[str, Attribute]) -> Attribute:
    """Find an attribute, or one value of it, by name.

    Raises:
        UnknownNameError: the scorer knows none of that name.
    """
    if name in known:
        return known[name]
    attribute = known.get(name.partition("=")[0])
    if attribute is None or name not in columns:
        raise unknown_name("attribute that is scored", name, [*known, *columns])
    return Attribute(name, attribute.columns, attribute.columns.index(list(columns).index(name)))


def kept_names(names: Sequence[str] | None, known: Mapping[str, Attribute]) -> list[str]:
    """List the attributes to keep; ``not:NAME`` leaves one out of all, ``none`` all of them.

    Args:
        names: the names that were given; None is all.
        known: the attributes by name.

    Returns:
        Their names.

    Raises:
        UnknownNameError: the scorer knows none of a name.
    """
    if names is None:
        return list(known)
    given = [name for name in names if name != "none"]
    return named_attributes(given, known) if given else []
