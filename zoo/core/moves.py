"""Moves: weighted sums of directions, along which a code is edited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zoo._utils.html_repr import plain

if TYPE_CHECKING:
    from zoo.core.directions import Directions


@dataclass(frozen=True, eq=False)
class Term:
    """One weighted direction of a move.

    Attributes:
        directions: the directions that it is one of.
        index: which of them, counted from 0.
        weight: what the unit direction is multiplied by.
        layers: the rows of the code that it is added to; None for all.
        name: what the direction is called in images.

    """

    directions: Directions
    index: int
    weight: float
    layers: tuple[int, ...] | None
    name: str

    def __str__(self) -> str:
        """Return the name and the absolute value of the weight; `Move` writes the sign."""
        name = plain(self.name)
        return name if abs(self.weight) == 1 else f"{abs(self.weight):g} * {name}"


@dataclass(frozen=True, eq=False)
class Move:
    """A weighted sum of directions, from one file or several, along which a code is moved.

    `Directions.move` makes a move along a single direction, and ``+`` adds moves:
    ``mouth.move(0) + eyes.move(2, -1.5)``.

    Attributes:
        terms: the weighted directions.

    """

    terms: tuple[Term, ...]

    def __add__(self, other: Move) -> Move:
        return Move(self.terms + other.terms)

    def in_layers(self, layers: Sequence[int]) -> Move:
        """Make every direction move other rows of the code than those it was found for.

        Args:
            layers: the rows to move.

        Returns:
            The changed move.

        """
        return Move(tuple(replace(term, layers=tuple(layers)) for term in self.terms))

    def __str__(self) -> str:
        text = "".join(f" {'-' if term.weight < 0 else '+'} {term}" for term in self.terms)
        return text.removeprefix(" + ").lstrip()

    def __repr__(self) -> str:
        return f"Move({self})"
