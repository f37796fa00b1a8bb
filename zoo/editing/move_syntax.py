"""Moves as the command line writes them: which directions of which file, and how much of each.

::

    directions = FILE [":" terms]      a directions file, an array, a run folder or hf://owner/name[@revision];
                                       without terms, those of --index
    terms      = term ("," term)*
    term       = (INDEX | NAME) ["=" WEIGHT]    the weight is 1 unless it is given

A name is one of `zoo name`, or another that `Directions.index_of` finds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import takewhile
from operator import add
from pathlib import Path

from zoo._utils.lookups import exists
from zoo._utils.naming import check_name
from zoo.core.codes import LatentSpace
from zoo.core.directions import Directions
from zoo.core.files.hub_address import is_hub_address
from zoo.core.moves import Move
from zoo.editing.run_folder import short_file_name
from zoo.errors import DirectionsError, OptionError

_INDEX = re.compile(r"\s*-?\d")


@dataclass(frozen=True)
class MoveSpec:
    """Some directions of one file.

    Attributes:
        path: The file, or a run folder.
        terms: An index, or a name, and a weight for each direction.
    """

    path: Path
    terms: tuple[tuple[int | str, float], ...]

    @property
    def name(self) -> str:
        """What the file is called in names of folders and in pictures."""
        return short_file_name(self.path)

    @property
    def title(self) -> str:
        """The name, with the terms unless they are the first direction alone."""
        terms = ",".join(f"{key}" if weight == 1 else f"{key}={weight:g}" for key, weight in self.terms)
        return self.name if terms == "0" else f"{self.name}-{terms}"


def parse_move_spec(text: str, index: str | None) -> MoveSpec:
    """Read ``FILE`` or ``FILE:terms``; a file whose name holds a colon is recognised if it exists.

    Args:
        text: The text.
        index: The terms to take where the text has none; None takes none.

    Returns:
        The file and the terms.

    Raises:
        OptionError: If the terms cannot be read.
    """
    file, colon, terms = text.rpartition(":")
    on_hub = is_hub_address(file)
    # The colon may belong to the name, as in C:\directions, or to hf://owner/name.
    whole = not colon or not file or exists(Path(text)) or (is_hub_address(text) and not on_hub)
    if whole or not (on_hub or exists(Path(file)) or _INDEX.match(terms)):
        return MoveSpec(Path(text), () if index is None else _terms(index, f"--index {index}"))
    return MoveSpec(Path(file), _terms(terms, text))


def read_moves(specs: Sequence[MoveSpec], space: LatentSpace, read_as: str | None = None) -> list[Move]:
    """Read files of directions and make a move of each direction that is named.

    Args:
        specs: The files and the terms.
        space: The space that the directions must belong to.
        read_as: How to read arrays; see `Directions.load`.

    Returns:
        A move for each term, in order.

    Raises:
        DirectionsError: If a file cannot be read, is of another space, or has no such direction.
        UnknownNameError: If a file has no direction of a name.
        OptionError: If a weight is not finite.
    """
    names = _distinct_names(specs)
    moves = []
    for spec in specs:
        directions = Directions.load(spec.path, space=space, read_as=read_as)
        for term, weight in spec.terms:
            move = directions.move(term, weight)
            [found] = move.terms
            label = f"{names[spec.path]} {directions.label(found.index)}" if names else found.name
            moves.append(Move((replace(found, name=label),)))
    return moves


def _distinct_names(specs: Sequence[MoveSpec]) -> dict[Path, str]:
    """Name several files by the words in which their names differ, ``mouth`` and ``eyes``; empty for one file."""
    names = {spec.path: spec.name for spec in specs}
    if len(names) == 1:
        return {}
    words = [name.split("-")[:-1] for name in names.values()]
    shared = len(list(takewhile(lambda column: len(set(column)) == 1, zip(*words, strict=False))))
    return {path: "-".join(name.split("-")[shared:]) for path, name in names.items()}


def arrange(moves: Sequence[Move], *, together: bool, grid: bool) -> tuple[list[Move], Move | None]:
    """Arrange moves as `zoo.edit` takes them: one by one, added up, or one across and one down.

    Args:
        moves: The moves.
        together: Add them up to one.
        grid: Take the first across and the second down.

    Returns:
        The moves across, and the one down, if any.

    Raises:
        OptionError: If both are asked for, or a grid does not have two moves.
    """
    if together and grid:
        raise OptionError("--together and --grid: a grid has two directions, each on its own; pass one of them")
    if grid and len(moves) != 2:
        raise OptionError(f"--grid: it has one direction across and one down, such as --index 0,2, not {len(moves)}")
    if grid:
        return [moves[0]], moves[1]
    return [reduce(add, moves)] if together else list(moves), None


def _terms(text: str, where: str) -> tuple[tuple[int | str, float], ...]:
    return tuple(_term(part, where) for part in text.split(","))


def _term(text: str, where: str) -> tuple[int | str, float]:
    index, equals, weight = text.partition("=")
    try:
        return _index_or_name(index.strip()), float(weight) if equals else 1.0
    except (ValueError, DirectionsError):
        raise OptionError(
            f"{where}: write directions as 0,2 or by their names, or with weights as 0=2,smile=-1.5"
        ) from None


def _index_or_name(text: str) -> int | str:
    return int(text) if not text or _INDEX.match(text) else check_name(text)
