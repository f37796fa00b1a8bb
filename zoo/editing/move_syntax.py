"""Moves as they are written on the command line: which directions of which file, and how much of each.

::

    directions = FILE [":" terms]      a directions file, an .npy array or a run folder; without terms, --index has them
    terms      = term ("," term)*
    term       = INDEX ["=" WEIGHT]    the weight is 1 unless it is given
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import takewhile
from operator import add
from pathlib import Path

from zoo._utils.files import exists, is_dir
from zoo.core.codes import LatentSpace
from zoo.core.directions import Directions
from zoo.core.moves import Move
from zoo.errors import OptionError

_BEGINS = re.compile(r"\s*-?\d")


@dataclass(frozen=True)
class MoveSpec:
    """Some directions of one file, by index, with weights."""

    path: Path
    terms: tuple[tuple[int, float], ...]

    @property
    def name(self) -> str:
        """What the file is called in names of folders and in pictures."""
        return short_name(self.path)


def short_name(path: Path) -> str:
    """Name a run folder as it is called, points and all, and a file without its ending."""
    return (path.name if is_dir(path) else path.stem)[:120]


def parse_move_spec(text: str, index: str) -> MoveSpec:
    """Read ``FILE`` or ``FILE:terms``; `index` has the terms where the text has none. Raises `OptionError`."""
    file, colon, terms = text.rpartition(":")
    if not colon or not file or exists(Path(text)):
        return MoveSpec(Path(text), _terms(index, f"--index {index}"))
    if not exists(Path(file)) and not _BEGINS.match(terms):
        return MoveSpec(Path(text), _terms(index, f"--index {index}"))  # a name with a colon in it, C:\directions
    return MoveSpec(Path(file), _terms(terms, text))


def read_moves(wanted: Sequence[MoveSpec], space: LatentSpace) -> list[Move]:
    """Read the files and make a move of each direction that is wanted. Raises `DirectionsError`, `OptionError`."""
    moves, names = [], _distinct_names(wanted)
    for one in wanted:
        directions = Directions.load(one.path, space=space)
        for index, weight in one.terms:
            name = f"{names[one.path]} {index}" if names else None
            moves.append(directions.move(index, weight, name=name))
    return moves


def _distinct_names(wanted: Sequence[MoveSpec]) -> dict[Path, str]:
    """Name several files by the words in which their names differ: ``mouth`` and ``eyes``. One file needs no name."""
    names = {one.path: one.name for one in wanted}
    if len(names) == 1:
        return {}
    words = [name.split("-")[:-1] for name in names.values()]
    shared = len(list(takewhile(lambda column: len(set(column)) == 1, zip(*words, strict=False))))
    return {path: "-".join(name.split("-")[shared:]) for path, name in names.items()}


def arrange(moves: Sequence[Move], *, together: bool, grid: bool) -> tuple[list[Move], Move | None]:
    """Add moves up to one (`together`), or set one across and one down (`grid`): (moves, down), as `edit` takes them.

    Raises `OptionError` for both at once, and for a grid of other than two.
    """
    if together and grid:
        raise OptionError("--together and --grid: a grid has two directions, each on its own; pass one of them")
    if grid and len(moves) != 2:
        raise OptionError(f"--grid: it has one direction across and one down, such as --index 0,2, not {len(moves)}")
    if grid:
        return [moves[0]], moves[1]
    return [reduce(add, moves)] if together else list(moves), None


def _terms(text: str, where: str) -> tuple[tuple[int, float], ...]:
    return tuple(_term(part, where) for part in text.split(","))


def _term(text: str, where: str) -> tuple[int, float]:
    index, equals, weight = text.partition("=")
    try:
        return int(index), float(weight) if equals else 1.0
    except ValueError:
        raise OptionError(f"{where}: write directions as 0,2, or with weights as 0=2,3=-1.5") from None
