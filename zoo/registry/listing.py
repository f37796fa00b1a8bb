"""The names of the models that can be opened."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from zoo.registry.registry import load_installation


def models(pattern: str | None = None, *, registry: Iterable[str | Path] = ()) -> list[str]:
    """List the models that can be opened by name.

    Args:
        pattern: a glob pattern of names, such as ``*.avatars32``, or the beginning of a name; None for all models.
        registry: registry files to read beside those that are always read.

    Returns:
        The names, sorted. `zoo.load` takes each of them.

    Raises:
        UnknownNameError: no name matches.
        CardError: a registry file or one of its cards is wrong.

    """
    cards = load_installation(registry).registry
    found = [card.name for card in cards.match(pattern)]
    if pattern is not None and not found:
        raise cards.unknown(pattern)
    return found
