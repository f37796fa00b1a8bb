"""Names of classes: those of a card, and ImageNet's."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path


@cache
def imagenet_names() -> tuple[str, ...]:
    """Name the 1000 classes of ImageNet in the order of their numbers, each by a lemma of its own (WordNet 3.0).

    WordNet is Princeton University's, and free to use with that said.
    """
    return tuple(Path(__file__).with_name("imagenet.txt").read_text(encoding="utf-8").splitlines())


def names_of(classes: str | Iterable[str]) -> tuple[str, ...]:
    """Read names of classes: themselves, a text with commas, or the word ``imagenet`` for its thousand."""
    if isinstance(classes, str):
        return imagenet_names() if classes == "imagenet" else tuple(classes.split(","))
    return tuple(classes)
