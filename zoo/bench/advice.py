"""Which analysis to use for what, from the figures of a bench."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from zoo.bench.methods import RANDOM, SUPERVISED

if TYPE_CHECKING:
    from zoo.bench.result import Bench


@dataclass(frozen=True)
class Advice:
    """What to use for a wish.

    Attributes:
        wish: What somebody wants.
        use: The analysis; None where none is better than random directions.
        text: The advice in a sentence.
    """

    wish: str
    use: str | None
    text: str

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


# What somebody wants, and the figure by which analyses are ranked for it: its table, its key and what it is called.
_WISHES = (
    ("an edit of this part and nothing else", "locality", "best@0.02", "locality at a visible change"),
    ("several different edits of this part", "locality", "mean", "mean locality at a visible change"),
    ("a global edit that does the same to every picture", "transfer", "consistency", "consistency over unseen codes"),
    ("directions for as many different factors as possible", "factors", "coverage", "coverage of the factors"),
    ("one named factor", "factors", "selectivity", "effect minus leakage"),
)


def advise(bench: Bench) -> list[Advice]:
    """Say for each wish which analysis has the best figure, of those that are better than random directions.

    Args:
        bench: The figures.

    Returns:
        The advice, for wishes of which there are figures.
    """
    return [advice for wish in _WISHES if (advice := _advise(bench, *wish)) is not None]


def _advise(bench: Bench, wish: str, table: str, key: str, called: str) -> Advice | None:
    figures = {name: bench.figure(name, table, key) for name in bench.methods}
    floor, ceiling = figures.pop(RANDOM, None), figures.pop(SUPERVISED, None)
    ranked = sorted((one for one in figures.items() if not math.isnan(one[1].mean)), key=lambda one: -one[1].mean)
    if not ranked or floor is None:
        return None
    better = [one for one in ranked if bench.beats(one[0], RANDOM, table, key)]
    name, best = (better or ranked)[0]
    compared = f"{called} {best.text()}, random directions {floor.text()}"
    if ceiling is not None and not math.isnan(ceiling.mean):
        compared += f", supervised ones {ceiling.text()}"
    if not better:
        return Advice(wish, None, f"no analysis is clearly better than random directions: {name} has {compared}")
    equal = [other for other, _ in better if other != name and not bench.beats(name, other, table, key)]
    also = f"; {_listed(equal)} cannot be told apart from it" if equal else ""
    return Advice(wish, name, f"use {name}: {compared}{also}")


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
