"""Moves: weighted sums of directions, along which a code is edited, and how long a direction is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zoo._utils.html_repr import plain

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.core.directions import Directions


def measure_lengths(vectors: Tensor) -> Tensor:
    """Measure directions, whose length is that of their rows.

    Args:
        vectors: (k, dim), or (k, layers, dim).

    Returns:
        (k,): the norms, or the root mean squares of the norms of the rows that are not zero.

    """
    norms: Tensor = vectors.norm(dim=-1)
    if norms.ndim == 2:
        moved = (norms > 0).sum(dim=1).clamp(min=1)
        norms = (norms.square().sum(dim=1) / moved).sqrt()
    return norms


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


def homes_of(moves: Iterable[Move]) -> list[Directions]:
    """List the directions that moves are made of.

    Args:
        moves: the moves.

    Returns:
        Each set of directions once.

    """
    return list({id(term.directions): term.directions for move in moves for term in move.terms}.values())


@dataclass(frozen=True, eq=False)
class Plan:
    """What an edit moves codes along: each move by each strength, or two moves by every pair of strengths.

    Attributes:
        moves: what codes are moved along, a row of images each; with `down`, the only one runs across.
        strengths: the steps along each move, the columns; with `down`, also the rows.
        down: the second move of a grid, or None.

    """

    moves: tuple[Move, ...]
    strengths: tuple[float, ...]
    down: Move | None = None

    @property
    def rows(self) -> int:
        """How many rows of images each code has."""
        return len(self.moves if self.down is None else self.strengths)

    @property
    def headers(self) -> list[str]:
        """The strengths, as they stand over columns."""
        return [signed(strength) for strength in self.strengths]

    def steps(self, row: int, column: int) -> list[tuple[Move, float]]:
        """Tell what one image is moved along.

        Args:
            row: its row.
            column: its column.

        Returns:
            Moves, each with its step.

        """
        if self.down is None:
            return [(self.moves[row], self.strengths[column])]
        return [(self.moves[0], self.strengths[column]), (self.down, self.strengths[row])]

    def steps_at(self, phase: float, move: Move) -> list[tuple[Move, float]]:
        """Tell what one frame of a loop is moved along: a cosine across, a sine down.

        Args:
            phase: the place in the loop, 0 to 1.
            move: one of the moves.

        Returns:
            Moves, each with its step.

        """
        ends = self.strengths if len(set(self.strengths)) > 1 else (0.0, *self.strengths)
        middle, amplitude = (max(ends) + min(ends)) / 2, (max(ends) - min(ends)) / 2
        angle = 2 * math.pi * phase
        across = (move, middle - amplitude * math.cos(angle))
        return [across] if self.down is None else [across, (self.down, middle - amplitude * math.sin(angle))]

    def count_frames(self, count: int) -> int:
        """Count the frames of a loop that differ; without `down`, the way back shows those of the way there again.

        Args:
            count: the number of frames, there and back.

        Returns:
            The number of different ones.

        """
        return count if self.down else count // 2 + 1

    def name_row(self, row: int) -> str:
        """Name a row of images.

        Args:
            row: the row.

        Returns:
            What it is moved along, on one or two lines.

        """
        name = str(self.moves[row if self.down is None else 0])
        return name if self.down is None else f"{self.down}: {signed(self.strengths[row])}\nacross {name}"

    def name_file(self, row: int, column: int) -> tuple[str, ...]:
        """Name what one image is moved along, as a part of a file's name.

        Args:
            row: its row.
            column: its column.

        Returns:
            The parts of the name.

        """
        across = f"{column:02}", signed(self.strengths[column])
        if self.down is None:
            return (self._name_move(row), *across)
        return ("down", f"{row:02}", signed(self.strengths[row]), "across", *across)

    def _name_move(self, row: int) -> str:
        """Name a move in names of files: by its direction if all are different ones of a set, else by its place."""
        terms = [move.terms[0] for move in self.moves if len(move.terms) == 1 and move.terms[0].weight == 1]
        of_one_set = len({id(term.directions) for term in terms}) == 1
        if of_one_set and len({term.index for term in terms}) == len(self.moves):
            return f"direction-{terms[row].index}"
        return f"move-{row}"


def signed(strength: float) -> str:
    """Write a step with its sign.

    Args:
        strength: the step.

    Returns:
        Text such as ``+1.5``, or ``0``.

    """
    return f"{strength:+g}" if strength else "0"
