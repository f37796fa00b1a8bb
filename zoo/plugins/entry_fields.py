"""Checks of the fields of entries: what lists them relies on their types, long after the hook has returned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import fields
from typing import Any

# The types of the fields of entries, and how messages call them.
_FIELDS: dict[str, tuple[Any, str]] = {
    "summary": (str, "a text"),
    "load": ((str, Callable), "a text or a function"),
    "options": ((str, Callable, type(None)), "a text or a function"),
    "layers": ((str, type(None)), "a text"),
    "spaces": (Mapping, "a mapping"),
    "attributes": (Sequence, "a sequence of texts"),
    "local": (bool, "True or False"),
    "fallback": (bool, "True or False"),
    "supervised": (bool, "True or False"),
}


def check_fields(entry: Any) -> None:
    """Require that each field of an entry is of its type.

    Args:
        entry: the entry, a dataclass; its name and what it holds texts of must be printable.

    Raises:
        ValueError: a text is empty or cannot be printed.
        TypeError: a field is of another type.

    """
    name = getattr(entry, "name", None)
    if not _is_text(name):
        raise ValueError(f"{name!r} is no name: it must be a text of printable characters")
    for one in fields(entry):
        kinds, words = _FIELDS.get(one.name, (object, ""))
        value = getattr(entry, one.name)
        if not isinstance(value, kinds) or (kinds is Sequence and isinstance(value, str)):
            raise TypeError(f"{name}: {one.name} is {value!r}, and not {words}")
        if kinds is str and not value.isprintable():
            raise ValueError(f"{name}: {one.name} is {value!r}, and not one line of printable characters")
        if kinds in {Sequence, Mapping} and not all(map(_is_text, value)):
            raise ValueError(f"{name}: {one.name} holds {list(value)!r}, and not texts of printable characters")


def check_capabilities(name: str, capabilities: object, known: Iterable[str]) -> None:
    """Require that capabilities are a set of known ones.

    Args:
        name: the name of the entry.
        capabilities: what it declares.
        known: the capabilities that there are.

    Raises:
        ValueError: one is unknown.
        TypeError: they are no set.

    """
    if not isinstance(capabilities, Set):
        raise TypeError(f"{name}: the capabilities {capabilities!r} are no set")
    unknown = sorted(map(str, set(capabilities).difference(known)))
    if unknown:
        raise ValueError(f"{name}: {unknown[0]!r} is no capability; there are {', '.join(known)}")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value) and value.isprintable()
