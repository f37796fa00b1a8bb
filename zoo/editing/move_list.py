"""The moves of an edit, from whatever a caller passes."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.core.codes import Codes, LatentSpace
from zoo.core.files.directions import GivenDirections, take_directions
from zoo.core.files.reading import to_tensor
from zoo.core.moves import Move
from zoo.errors import DirectionsError, OptionError
from zoo.models.model import Model


def list_moves(
    given: GivenDirections | Move | Sequence[Move],
    indices: Sequence[int] | None,
    space: LatentSpace,
    read_as: str | None,
) -> list[Move]:
    """List the moves of an edit.

    Args:
        given: Moves; or directions, a file or an array of them.
        indices: Which of the directions; None is the first.
        space: The space that a file or an array must be in.
        read_as: How to read it; see `Directions.load`.

    Returns:
        At least one move.

    Raises:
        DirectionsError: If directions cannot be read, are of another space, or an index is not there.
        OptionError: If there is no move, or indices are given beside moves.
    """
    if isinstance(given, Move):
        given = [given]
    if isinstance(given, Sequence) and not isinstance(given, str):
        moves = [one for one in given if isinstance(one, Move)]
        if len(moves) == len(given):
            return _checked_moves(moves, indices)
        if moves:
            raise OptionError("directions: a list holds moves, such as directions.move(0), and nothing else")
        directions = take_directions(to_tensor(given, "directions"), space, read_as)
    else:
        directions = take_directions(given, space, read_as)
    chosen = [directions.move(index) for index in ((0,) if indices is None else indices)]
    if not chosen:
        raise DirectionsError(f"no direction was asked for: there are 0 to {len(directions) - 1}")
    return chosen


def move_codes(model: Model, codes: Codes, steps: Sequence[tuple[Move, float]]) -> Codes:
    """Move codes along each move by its step, one direction after the other.

    Args:
        model: The model.
        codes: The codes (n).
        steps: Moves, and how far along each.

    Returns:
        The moved codes (n).
    """
    for move, strength in steps:
        for term in move.terms:
            delta = strength * term.weight * term.directions.vectors[term.index]
            codes = model.adapter.move(codes, delta.to(model.adapter.device, model.adapter.dtype), term.layers)
    return codes


def _checked_moves(moves: list[Move], indices: Sequence[int] | None) -> list[Move]:
    if indices is not None:
        raise OptionError("indices choose among directions; a move has chosen already")
    if not moves:
        raise OptionError("at least one move is needed")
    return moves
