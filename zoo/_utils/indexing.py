"""Indices as Python and numpy write them, for things of which some are chosen."""

from __future__ import annotations

from collections.abc import Iterable
from operator import index as as_int


def chosen_of(index: int | slice | Iterable[int], count: int, what: str) -> list[int]:
    """List the positions that an index chooses.

    Args:
        index: one position, a slice, or several positions in any order; negative ones count from the end.
        count: how many things there are.
        what: what one of them is called in messages.

    Returns:
        The positions, from 0 to `count` − 1.

    Raises:
        IndexError: there is no such position.
        TypeError: the index is of another kind, such as a truth value for each thing.

    """
    if isinstance(index, slice):
        return list(range(count)[index])
    positions = []
    for one in index if isinstance(index, Iterable) else [index]:
        if isinstance(one, bool):
            raise TypeError(f"a {what} is chosen by its number, not by {one}")
        position = as_int(one)
        if not -count <= position < count:
            raise IndexError(f"{what} {position} of {count}")
        positions.append(position % count)
    return positions
