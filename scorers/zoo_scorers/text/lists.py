"""The lists of words in the box. Nothing here imports torch."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from zoo import unknown_name
from zoo.registry import Card, Opposites, is_list_name, parse_lines

_FOLDER = Path(__file__).parent / "words"

# The list of models whose card names none, and of avatars.
GENERAL = "general"
AVATARS = "avatars"

_MODEL_NAME = re.compile(r"avatars\d*")
_DATASET = "recipes/avatars"


@cache
def words_of_list(name: str) -> tuple[Opposites, ...]:
    """Read a list.

    Args:
        name: Its name.

    Returns:
        Its opposites.

    Raises:
        UnknownNameError: If there is none of that name.
    """
    names = sorted(path.stem for path in _FOLDER.glob("*.txt"))
    if name not in names:
        raise unknown_name("list of words", name, names)
    return parse_lines((_FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines(), f"the list {name}")


def draws_avatars(card: Card) -> bool:
    """Decide whether a model draws the avatars that the network in the box knows.

    Args:
        card: The card of the model.

    Returns:
        True if the data set of the card names recipes/avatars, or the model is called ``….avatars`` or ``….avatars32``.
    """
    return _DATASET in (card.dataset or "") or bool(_MODEL_NAME.fullmatch(card.name.partition(".")[2]))


def words_of_card(card: Card) -> tuple[Opposites, ...]:
    """Collect what directions of a model may be named after.

    Args:
        card: The card of the model.

    Returns:
        The opposites of the card and of the lists that it names; without any, those of the general list.

    Raises:
        UnknownNameError: If there is no list of a name.
    """
    lines = [line for line in card.words if not is_list_name(line)]
    own = parse_lines(lines, f"the card of {card.name}") if lines else ()
    lists = [line for line in card.words if is_list_name(line)] or ([] if own else [_usual_list(card)])
    found = {pair.name: pair for name in lists for pair in words_of_list(name)}
    return tuple({**found, **{pair.name: pair for pair in own}}.values())


def _usual_list(card: Card) -> str:
    return AVATARS if draws_avatars(card) else GENERAL
