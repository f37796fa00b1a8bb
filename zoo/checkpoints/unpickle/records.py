"""Inert records of the classes, calls and objects in a pickle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

# `objects` knows the other spellings of these names, such as those of Python 2.
DICT = "builtins.dict"
SET = "builtins.set"


@dataclass(frozen=True, eq=False, slots=True)
class Global:
    """The name of a class or function, and no more than the name.

    Attributes:
        path: The module and the name, joined with a dot.
    """

    path: str


@dataclass(eq=False, slots=True, repr=False)
class Record:
    """A record of one object: its class, how it was made, and what was put into it.

    Dictionaries are records too: a file could choose keys whose hashes collide.

    Attributes:
        path: The name of the class or function; see `Global`. It ends in ``()`` where what a call returned was called.
        args: The arguments.
        called: Whether it records the result of a call (REDUCE; INST and OBJ with arguments), not an object that
            ``__new__`` made.
        items: What was appended or added, in order; a list once there is something.
        pairs: What was set by key, in order; a list once there is something.
        states: What was given as state (BUILD), in order; a list once there is something.
    """

    path: str
    args: tuple[Any, ...] = ()
    called: bool = False
    items: Sequence[Any] = ()
    pairs: Sequence[tuple[Any, Any]] = ()
    states: Sequence[Any] = ()

    def add(self, part: str, values: Iterable[Any]) -> None:
        """Add to one part of the record.

        Args:
            part: ``items``, ``pairs`` or ``states``.
            values: What is added.
        """
        if not getattr(self, part):
            setattr(self, part, [])
        getattr(self, part).extend(values)


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class PersistentId:
    """A reference to something outside the pickle; in torch's files, to a storage.

    Attributes:
        pid: What the pickle gives as the persistent id.
    """

    pid: Any


def describe(value: Any) -> str:
    """Describe a value from a file in a few words, whatever it is.

    Args:
        value: Anything that `interpreter.parse` makes.

    Returns:
        A short text, for error messages.
    """
    if isinstance(value, int | float | None):
        return str(value)
    if isinstance(value, str):
        return repr(value[:20])
    if isinstance(value, Record):
        return "a dictionary" if value.path == DICT else f"an object of {value.path}"
    if isinstance(value, Global):
        return f"the name {value.path}"
    return {PersistentId: "a reference to something outside", memoryview: "bytes"}.get(
        type(value), f"a {type(value).__name__}"
    )
