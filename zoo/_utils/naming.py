"""Names of directions: those that people give them beside their numbers, and those by where they are from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from zoo._utils.html_repr import plain
from zoo.errors import DirectionsError, UnknownNameError, unknown_name

_LONGEST_NAME = 60


def check_name(name: str) -> str:
    """Refuse a name that could not be told from a number, or that would break a line or a list.

    Args:
        name: the name.

    Returns:
        The name.

    Raises:
        DirectionsError: it is no name of a direction.

    """
    if len(name) > _LONGEST_NAME or not name.isprintable() or re.search(r"^[-\d]|[,:=]", name):
        raise DirectionsError(
            f"{plain(name)!r} cannot be the name of a direction: a name has at most {_LONGEST_NAME} characters, does "
            "not begin with a digit or -, and holds no comma, colon or ="
        )
    return name


def find_name(name: str, count: int, kinds: Sequence[Sequence[str]]) -> int:
    """Find the position of a name.

    Args:
        name: the name.
        count: how many positions there are.
        kinds: names of several kinds, each with one for each position, empty for none; the first kind comes first.

    Returns:
        The position, from 0.

    Raises:
        UnknownNameError: nothing has that name.
        DirectionsError: several positions have it.

    """
    for names in kinds:
        if names.count(name) > 1:
            raise DirectionsError(f"{names.count(name)} directions have the name {name}: choose one by its index")
        if name and name in names:
            return names.index(name)
    known = dict.fromkeys(one for names in kinds for one in names if one)
    if not known:
        raise UnknownNameError(
            f"no direction is called {plain(name)!r}: they have numbers, 0 to {count - 1}, and no names"
        )
    raise unknown_name("direction", name, [plain(one) for one in known])


def renamed(names: Sequence[str], index: int, name: str) -> tuple[str, ...] | None:
    """Change one of several names.

    Args:
        names: the names, empty for none.
        index: the position of the one to change, from 0.
        name: the new name; empty for none.

    Returns:
        The names; None if all are empty.

    Raises:
        DirectionsError: there is no such position, the name is no name, or it is taken.

    """
    if not 0 <= index < len(names):
        raise DirectionsError(f"no direction {index}: there are 0 to {len(names) - 1}")
    name = check_name(name.strip())
    if name and name in names and names.index(name) != index:
        raise DirectionsError(f"direction {names.index(name)} has the name {name} already: choose another")
    changed = (*names[:index], name, *names[index + 1 :])
    return changed if any(changed) else None


def origin_of(provenance: Mapping[str, Any]) -> str:
    """Tell the analyzer, model and region that directions are from.

    Args:
        provenance: how they came about.

    Returns:
        A few words; empty if nothing is recorded.
    """
    recorded = {key: plain(value) for key, value in provenance.items() if isinstance(value, str)}
    if "analyzer" not in recorded:
        return recorded.get("source", "")
    model = recorded.get("model", "an unknown model")
    return f"{recorded['analyzer']} of {model}, region {recorded.get('region', 'unknown')}"


def title_of(provenance: Mapping[str, Any]) -> str:
    """Tell what images call a direction, before its index.

    Args:
        provenance: how it came about.

    Returns:
        Its region, unless that is the whole image.
    """
    region = provenance.get("region", "all")
    return plain(region) if isinstance(region, str) and region != "all" else "direction"
