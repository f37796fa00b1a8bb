"""Showing a model's terms before its weights are used: briefly, and once for each version of terms and weights."""

from __future__ import annotations

import textwrap
from contextlib import suppress
from pathlib import Path

from zoo._utils.showing import show_once
from zoo.registry.cards import Card

# Characters: of the line, of the licence of the weights in it, and of that of the data, which takes the room that is
# left. What is permitted stands in the former; the latter may list hundreds of authors.
_LONGEST_LINE = 110
_LONGEST_LICENCE = 160
_LEAST_FOR_DATA = 24


def print_licence(card: Card) -> None:
    """Print a model's terms to standard error in a short line, on first use; again if terms or weights have changed.

    Args:
        card: The model's card.
    """
    files = [(str(path), _size_and_time(path)) for path in card.paths()]
    show_once(short_terms(card), repr((card.terms, card.weights.sha256, files)))


def short_terms(card: Card) -> str:
    """Write a model's terms in a line; of long ones what fits, and where the rest is.

    Args:
        card: The model's card.

    Returns:
        The model's name, the licences of its weights and its data, and a note if nobody has verified the file.
    """
    licence, whole = card.licence, f"{card.name} · {card.licence}"
    line = f"{card.name} · weights: {textwrap.shorten(licence.weights, _LONGEST_LICENCE, placeholder=' …')}"
    if licence.data:
        room = max(_LONGEST_LINE - len(line), _LEAST_FOR_DATA)
        line += f"; data: {textwrap.shorten(licence.data, room, placeholder=' …')}"
    rest = "" if line == whole else f" (in full: zoo info {card.name if card.adapter else 'FILE'})"
    return line + rest + card.terms.removeprefix(whole)


def _size_and_time(path: Path) -> tuple[int, ...]:
    """Return what changes when a file does; nothing if there is none."""
    with suppress(OSError):
        found = path.stat()
        return found.st_size, found.st_mtime_ns
    return ()
