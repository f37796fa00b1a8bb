"""What is pulled on the page, in the words of ``zoo edit``: directions of files, and how much of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from zoo.core.directions import Directions
from zoo.core.moves import measure_lengths
from zoo.errors import OptionError
from zoo.studio.kept.analyses import layers_text
from zoo.studio.kept.sessions import Session, short_hash
from zoo.studio.shown.opened import OpenModel
from zoo.studio.shown.views import Along


def move_texts(
    session: Session, opened: OpenModel, moves: Sequence[Along], shown: Callable[[Path], Path]
) -> tuple[list[str], str | None]:
    """Write moves as ``FILE:INDEX=WEIGHT``, and the rows that all of them move.

    Where some move other rows than others, no option says so: then a file is made in which each direction has a vector
    for each row.

    Args:
        session: The session, which keeps that file.
        opened: The model.
        moves: The steps; those of strength 0 are left out.
        shown: Finds the folder that a command names for that of a result.

    Returns:
        The texts, and the rows; None for those that each direction was found for.

    Raises:
        OptionError: If nothing is pulled.
    """
    pulled = [along for along in moves if along.strength]
    if not pulled:
        raise OptionError("no direction is pulled: move a slider first")
    rows = {along.layers for along in pulled}
    if len(rows) > 1:
        return _own_rows(session, opened, pulled), None
    return [f"{shown(along.path)}:{along.index}={_number(along.strength)}" for along in pulled], layers_text(rows.pop())


def _own_rows(session: Session, opened: OpenModel, pulled: Sequence[Along]) -> list[str]:
    """Write a file of the directions with their own rows; return the texts that name them."""
    found = [_by_row(opened.directions(along.path), along) for along in pulled]
    vectors = torch.cat([directions.by_row() for directions in found])
    lengths = measure_lengths(vectors)
    if not bool((lengths > 0).all()):
        raise OptionError("a direction has nothing in the rows that were chosen for it: choose others")
    written = Directions(
        found[0].space,
        vectors / lengths[:, None, None],
        torch.cat([directions.scores for directions in found]),
        provenance={"source": "zoo studio"},
        attributes=tuple(
            f"{directions.provenance.get('region', '')} {along.index}".strip()
            for directions, along in zip(found, pulled, strict=True)
        ),
    )
    name = short_hash(repr(pulled).encode())
    path = session.folder / "pulled" / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    written.save(path)
    return [
        f"{path}:{index}={_number(along.strength * float(length))}"
        for index, (along, length) in enumerate(zip(pulled, lengths, strict=True))
    ]


def _by_row(directions: Directions, along: Along) -> Directions:
    """Take one direction, which moves the rows that were chosen."""
    one = directions[along.index]
    return one if along.layers is None else replace(one, layers=tuple(sorted(set(along.layers))))


def _number(value: float) -> str:
    """Write a number so that the same one is read."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
