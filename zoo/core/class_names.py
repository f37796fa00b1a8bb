"""The names of classes: ImageNet's, and those that a card or the command line gives."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path


@cache
def imagenet_names() -> tuple[str, ...]:
    """Return the names of ImageNet's 1000 classes, in the order of their indices.

    Each name is one lemma of the class's WordNet 3.0 synset, and no two are the same. WordNet belongs to Princeton
    University and may be used freely with this attribution.

    Returns:
        The 1000 names.

    """
    return tuple(Path(__file__).with_name("imagenet.txt").read_text(encoding="utf-8").splitlines())


def parse_class_names(classes: str | Iterable[str]) -> tuple[str, ...]:
    """Read the names of classes.

    Args:
        classes: the names; or a text with commas between them; or the word ``imagenet``.

    Returns:
        The names, in the order of their indices.

    """
    if isinstance(classes, str):
        return imagenet_names() if classes == "imagenet" else tuple(classes.split(","))
    return tuple(classes)
