"""A pickle as records: which instruction does what on the machine.

A pickle is a program for a machine with a stack and a memo. It is run here as far as numbers, text, lists and tuples
go. Where the program names a class or function, calls one, or makes or changes an object, that is only recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from zoo.checkpoints.unpickle.limits import Limits, RefusedError
from zoo.checkpoints.unpickle.machine import Machine
from zoo.checkpoints.unpickle.opcodes import read_opcodes
from zoo.checkpoints.unpickle.records import DICT, SET, PersistentId

_IGNORED = {"PROTO", "FRAME", "STOP"}

_REFUSED = {
    "EXT1": "a class by its number in a registry",
    "EXT2": "a class by its number in a registry",
    "EXT4": "a class by its number in a registry",
    "NEXT_BUFFER": "a buffer from outside the file",
    "READONLY_BUFFER": "a buffer from outside the file",
}


class Parsed(NamedTuple):
    """What a pickle holds.

    Attributes:
        content: Made of None, bool, int, float, str, views of the file, list, tuple, `Global`, `Record` and
            `PersistentId`.
        end: The position after the pickle.
        persistent_ids: All references to something outside the pickle.
    """

    content: Any
    end: int
    persistent_ids: list[PersistentId]


def parse(data: memoryview, limits: Limits, start: int = 0) -> Parsed:
    """Read one pickle.

    Args:
        data: The file.
        limits: What the file may still cost.
        start: Where the pickle begins.

    Returns:
        What it holds.

    Raises:
        BrokenError: If the pickle is damaged.
        RefusedError: If it asks for what zoo does not do, or costs too much.
    """
    machine = Machine()
    end = start
    for name, argument, position in read_opcodes(data, start):
        end = position
        limits.charge_opcode(number=name in _NUMBERS)
        if name in _REFUSED:
            raise RefusedError(f"it asks for {_REFUSED[name]}")
        if name not in _IGNORED:
            _ACTIONS.get(name, Machine.push)(machine, argument)
    return Parsed(machine.pop(), end, machine.persistent_ids)


def _without_argument(action: Callable[..., None], *args: Any, **options: Any) -> Callable[[Machine, Any], None]:
    """Adapt a method of the machine to an instruction that has no argument."""
    return lambda machine, _: action(machine, *args, **options)


_NUMBERS = {"BINFLOAT", "BININT", "BININT1", "BININT2"}

# What each instruction does; one that is not here pushes its argument (a number, text or bytes).
_ACTIONS: dict[str, Callable[[Machine, Any], None]] = {
    "NONE": _without_argument(Machine.push, None),
    "NEWTRUE": _without_argument(Machine.push, True),
    "NEWFALSE": _without_argument(Machine.push, False),
    "EMPTY_TUPLE": _without_argument(Machine.push, ()),
    "MARK": _without_argument(Machine.mark),
    "POP": _without_argument(Machine.discard),
    "POP_MARK": _without_argument(Machine.discard_to_mark),
    "DUP": _without_argument(Machine.duplicate),
    "MEMOIZE": _without_argument(Machine.memoize),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), Machine.get),
    "EMPTY_LIST": _without_argument(Machine.make_list, marked=False),
    "LIST": _without_argument(Machine.make_list, marked=True),
    "TUPLE": _without_argument(Machine.make_tuple, None),
    "TUPLE1": _without_argument(Machine.make_tuple, 1),
    "TUPLE2": _without_argument(Machine.make_tuple, 2),
    "TUPLE3": _without_argument(Machine.make_tuple, 3),
    "EMPTY_DICT": _without_argument(Machine.make_container, DICT, marked=False),
    "DICT": _without_argument(Machine.make_container, DICT, marked=True),
    "EMPTY_SET": _without_argument(Machine.make_container, SET, marked=False),
    "FROZENSET": _without_argument(Machine.make_container, SET, marked=True),
    "APPEND": _without_argument(Machine.append, marked=False),
    "APPENDS": _without_argument(Machine.append, marked=True),
    "ADDITEMS": _without_argument(Machine.append, marked=True),
    "SETITEM": _without_argument(Machine.set_items, marked=False),
    "SETITEMS": _without_argument(Machine.set_items, marked=True),
    "GLOBAL": Machine.push_global,
    "STACK_GLOBAL": Machine.push_global,
    "REDUCE": _without_argument(Machine.reduce),
    "NEWOBJ": _without_argument(Machine.new_object, keywords=False),
    "NEWOBJ_EX": _without_argument(Machine.new_object, keywords=True),
    "OBJ": Machine.instance,
    "INST": Machine.instance,
    "BUILD": _without_argument(Machine.build),
    "BINPERSID": Machine.persistent_load,
    "PERSID": Machine.persistent_load,
}
