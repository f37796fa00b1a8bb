"""Some directions of one or several files, in one file of their own."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zoo._utils.html_repr import plain
from zoo.core.directions import Directions
from zoo.editing.measured import ENTRY as MEASURED
from zoo.editing.move_syntax import MoveSpec, parse_move_spec
from zoo.editing.run_folder import claimed_run_folder, folder_under_runs, new_run_folder
from zoo.errors import DirectionsError, OptionError
from zoo.models.tuned import recorded_weights

# What is recorded of directions by their indices, which are others in a selection; and what found all of them.
_NOT_KEPT = ("locality", "repeats", "redundancy", "names", "command", "picked", MEASURED)


def pick(parts: Sequence[Directions]) -> Directions:
    """Put directions of several analyses together, with the names that they were given.

    Args:
        parts: Directions, at least one batch.

    Returns:
        One batch, in the order of `parts`. Its provenance holds what is recorded alike of all parts.

    Raises:
        DirectionsError: If they are of different spaces, weights, rows or shapes, or two of them have the same name.
    """
    _check_alike(parts)
    [first, *others] = parts
    shared = {
        key: value
        for key, value in first.provenance.items()
        if key not in _NOT_KEPT and all(other.provenance.get(key) == value for other in others)
    }
    has_retained = all(part.retained is not None for part in parts)
    return Directions(
        first.space,
        torch.cat([part.vectors for part in parts]),
        torch.cat([part.scores for part in parts]),
        first.layers,
        torch.cat([part.retained for part in parts if part.retained is not None]) if has_retained else None,
        shared,
        _texts([(part.attributes, len(part)) for part in parts]),
        _texts([(part.given_names, len(part)) for part in parts]),
    )


def _check_alike(parts: Sequence[Directions]) -> None:
    facts: dict[str, list[Any]] = {
        "of different spaces": [part.space for part in parts],
        "of different weights": [recorded_weights(part.provenance) for part in parts],
        "for different rows of the code": [part.layers for part in parts],
        "partly with a vector for each row": [part.vectors.ndim for part in parts],
    }
    for what, values in facts.items():
        if any(value != values[0] for value in values):
            raise DirectionsError(f"these directions are {what}, and a file holds one kind: write a file for each kind")
    names = Counter(name for part in parts for name in part.given_names or () if name)
    for name, count in names.items():
        if count > 1:
            raise DirectionsError(f"{count} of these directions are called {plain(name)!r}: rename all but one of them")


def _texts(parts: Sequence[tuple[tuple[str, ...] | None, int]]) -> tuple[str, ...] | None:
    if all(texts is None for texts, _ in parts):
        return None
    return tuple(text for texts, count in parts for text in texts or ("",) * count)


@dataclass(frozen=True, kw_only=True)
class PickRequest:
    """Directions to put together, in the words of the command line.

    Attributes:
        directions: ``FILE`` for all directions of a file, or ``FILE:0,smile`` for some; see `zoo.editing.move_syntax`.
        npy: Write the vectors as an array as well.
        out: The folder to write; None is ``runs/picked``.
        force: Replace an existing run folder.
    """

    directions: Sequence[str]
    npy: bool = False
    out: Path | None = None
    force: bool = False

    @property
    def folder(self) -> Path:
        """The folder that is written."""
        return self.out or folder_under_runs("picked")

    @property
    def command(self) -> str:
        """The command that makes the same file again."""
        return shlex.join(["zoo", "pick", *self.directions, *(["--npy"] if self.npy else [])])

    def read(self) -> Directions:
        """Read the directions and put them together.

        Returns:
            The directions; their provenance says where each of them is from.

        Raises:
            DirectionsError: If a file cannot be read, or the directions cannot be put together.
            OptionError: If a text cannot be read, or has a weight.
            UnknownNameError: If a file has no direction of a name.
        """
        taken = [_take(parse_move_spec(text, None), text) for text in self.directions]
        picked = [entry for _, entries in taken for entry in entries]
        return pick([part for part, _ in taken]).with_provenance(picked=picked, command=self.command)

    def run(self) -> Directions:
        """Write the folder.

        Returns:
            The directions; see `read`.

        Raises:
            OutputError: If the folder exists and may not be replaced, or cannot be written.
            ZooError: Whatever `read` raises.
        """
        with claimed_run_folder(self.folder, force=self.force):
            made = self.read()
            with new_run_folder(self.folder, force=self.force) as partial:
                made.save(partial / "directions.safetensors")
                if self.npy:
                    made.save(partial / "directions.npy")
            return made


def _take(spec: MoveSpec, text: str) -> tuple[Directions, list[dict[str, Any]]]:
    """Read a file, and take its directions that are named; the second value says where each of them is from."""
    directions = Directions.load(spec.path)
    if any(weight != 1 for _, weight in spec.terms):
        raise OptionError(f"{text}: directions are taken as they are, so leave the weights out")
    terms = [term for term, _ in spec.terms] or range(len(directions))
    chosen = [directions.index_of(term) if isinstance(term, str) else term for term in terms]
    wrong = [index for index in chosen if not 0 <= index < len(directions)]
    if wrong:
        raise OptionError(f"{text}: there is no direction {wrong[0]}: the file holds 0 to {len(directions) - 1}")
    told = {key: directions.provenance[key] for key in ("analyzer", "region") if key in directions.provenance}
    return directions[chosen], [{**told, "index": index} for index in chosen]
