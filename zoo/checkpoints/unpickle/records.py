"""What stands for the objects that a pickle asks for: inert notes, which nothing can be done with but read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

DICT, SET = "builtins.dict", "builtins.set"


@dataclass(frozen=True, eq=False, slots=True)
class Global:
    """The name of a class or function, and no more than the name."""

    path: str


@dataclass(eq=False, slots=True, repr=False)
class Record:
    """A note of one object: of what class, made how, and what was put into it.

    `path` is the class or function; a dictionary is a record too, since keys that a file chooses are never hashed.
    `called` tells a call with arguments from an object that was made empty. `items`, `pairs` and `states` are what was
    appended, set by key, and given as state, in order; lists once there is something.
    """

    path: str
    args: tuple[Any, ...] = ()
    called: bool = False
    items: Sequence[Any] = ()
    pairs: Sequence[tuple[Any, Any]] = ()
    states: Sequence[Any] = ()

    def add(self, part: str, values: Iterable[Any]) -> None:
        """Note more of `items`, `pairs` or `states`."""
        if not getattr(self, part):
            setattr(self, part, [])
        getattr(self, part).extend(values)


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Persistent:
    """A reference to something outside the pickle; in torch files, to a storage."""

    pid: Any


def described(value: Any) -> str:
    """Say what a value is, in a few words whatever it is."""
    if isinstance(value, int | float | None):
        return str(value)
    if isinstance(value, str):
        return repr(value[:20])
    if isinstance(value, Record):
        return "a dictionary" if value.path == DICT else f"an object of {value.path}"
    if isinstance(value, Global):
        return f"the name {value.path}"
    return {Persistent: "a reference to something outside", memoryview: "bytes"}.get(
        type(value), f"a {type(value).__name__}"
    )
