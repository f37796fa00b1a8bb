"""A pickle as records: what its instructions would have made, written down instead of made.

A pickle is a program for a machine with a stack and a memory. This machine runs it as far as numbers, text, lists and
tuples go; wherever the program names a class or function, calls one, or makes or changes an object, it only notes that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from zoo.checkpoints.unpickle.limits import BrokenError, Limits, RefusedError
from zoo.checkpoints.unpickle.opcodes import operations
from zoo.checkpoints.unpickle.records import DICT, SET, Global, Persistent, Record, described

_LONGEST_NAME = 200
_LARGEST_NUMBER = 2**512
_IGNORED = {"PROTO", "FRAME", "STOP"}
_MAKERS = {f"{module}.{name}" for module in ("copyreg", "copy_reg") for name in ("_reconstructor", "__newobj__")}
_REASONS = {
    "EXT1": "a class by its number in a registry",
    "EXT2": "a class by its number in a registry",
    "EXT4": "a class by its number in a registry",
    "NEXT_BUFFER": "a buffer from outside the file",
    "READONLY_BUFFER": "a buffer from outside the file",
}


class Parsed(NamedTuple):
    """What a pickle holds, the position behind it, and all references in it to something outside.

    `content` is made of None, bool, int, float, str, views of the file, list, tuple, `Global`, `Record`, `Persistent`.
    """

    content: Any
    end: int
    references: list[Persistent]


def parse(data: memoryview, bounds: Limits, start: int = 0) -> Parsed:
    """Read the pickle that begins at `start`. Raises `BrokenError` or `RefusedError`."""
    machine, end = _Machine(), start
    for name, argument, position in operations(data, start):
        end = position
        bounds.operations -= 1
        if bounds.operations < 0:
            raise RefusedError("it has more instructions than any network's file needs")
        if name in _REASONS:
            raise RefusedError(f"it asks for {_REASONS[name]}")
        if name not in _IGNORED:
            _ACTIONS.get(name, _Machine.push)(machine, argument)
    return Parsed(machine.pop(), end, machine.references)


class _Machine:
    """The stack and the memory. Every instruction adds at most one small object to them."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[str, Any] = {}  # by text: a file can choose numbers whose hashes collide
        self.references: list[Persistent] = []

    def pop(self) -> Any:
        self._need(1)
        return self._stack.pop()

    def _need(self, count: int) -> None:
        if len(self._stack) - (self._marks[-1] if self._marks else 0) < count:
            raise BrokenError("an instruction finds nothing to work on")

    def _top(self) -> Any:
        self._need(1)
        return self._stack[-1]

    def push(self, value: Any) -> None:
        if isinstance(value, int) and abs(value) > _LARGEST_NUMBER:
            raise RefusedError("it holds a number of absurd size")
        self._stack.append(value)

    def _since_mark(self) -> list[Any]:
        if not self._marks:
            raise BrokenError("an instruction finds no mark")
        mark = self._marks.pop()
        values = self._stack[mark:]
        del self._stack[mark:]
        return values

    # --- stack and memory

    def mark(self) -> None:
        self._marks.append(len(self._stack))

    def drop(self) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self.pop()

    def drop_to_mark(self) -> None:
        self._since_mark()

    def duplicate(self) -> None:
        self._stack.append(self._top())

    def memoize(self) -> None:
        self._memo[str(len(self._memo))] = self._top()

    def put(self, index: int) -> None:
        if not 0 <= index < 2**32:
            raise RefusedError("it names a place in memory that no pickle needs")
        self._memo[str(index)] = self._top()

    def get(self, index: int) -> None:
        if str(index) not in self._memo:
            raise BrokenError("it reads a place in memory that was never written")
        self._stack.append(self._memo[str(index)])

    # --- lists, tuples, dictionaries, sets

    def make_list(self, *, marked: bool) -> None:
        self._stack.append(self._since_mark() if marked else [])

    def make_tuple(self, count: int | None) -> None:
        if count is None:
            self._stack.append(tuple(self._since_mark()))
        else:
            self._need(count)
            self._stack[-count:] = [tuple(self._stack[-count:])]

    def make(self, path: str, *, marked: bool) -> None:
        values = self._since_mark() if marked else []
        record = Record(path)
        self._stack.append(record)
        if path == DICT:
            self._set(record, values)
        else:
            record.add("items", values)

    def append(self, *, marked: bool) -> None:
        values = self._since_mark() if marked else [self.pop()]
        target = self._top()
        if not isinstance(target, list | Record):
            raise RefusedError(f"it appends to {described(target)}")
        if isinstance(target, list):
            target.extend(values)
        else:
            target.add("items", values)

    def set_items(self, *, marked: bool) -> None:
        if marked:
            values = self._since_mark()
        else:
            self._need(2)
            values = [self._stack.pop(), self._stack.pop()][::-1]
        self._set(self._top(), values)

    def _set(self, target: Any, values: list[Any]) -> None:
        if not isinstance(target, Record):
            raise RefusedError(f"it sets items of {described(target)}")
        if len(values) % 2:
            raise BrokenError("a key has no value")
        target.add("pairs", zip(values[::2], values[1::2], strict=True))

    # --- classes, calls and objects: noted only

    def name(self, path: str | None = None) -> None:
        """Note a global. STACK_GLOBAL takes its two names from the stack."""
        if path is None:
            self._need(2)
            names = [self._stack.pop(), self._stack.pop()][::-1]
            if not all(isinstance(name, str) and len(name) <= _LONGEST_NAME for name in names):
                raise RefusedError("it names a class by what is no name")
            path = ".".join(names)
        path = path.replace(" ", ".")
        if len(path) > _LONGEST_NAME or not path.isprintable():
            raise RefusedError("it names a class by a strange name")
        self._stack.append(Global(path))

    def call(self) -> None:
        self._need(2)
        args, function = self._stack.pop(), self._stack.pop()
        path = _path(function)
        if path in _MAKERS and isinstance(args, tuple) and args and isinstance(args[0], Global):
            self._stack.append(Record(args[0].path, args[1:]))
        else:
            self._stack.append(Record(path, _arguments(args), called=True))

    def new(self, *, keywords: bool) -> None:
        """Note an object that is made without its `__init__`; keyword arguments of `__new__` are left out."""
        self._need(3 if keywords else 2)
        if keywords:
            self._stack.pop()
        args, kind = self._stack.pop(), self._stack.pop()
        self._stack.append(Record(_path(kind), _arguments(args)))

    def instance(self, path: str | None = None) -> None:
        """Note an object of the oldest protocols, whose arguments, if there are any, are those of a call."""
        values = self._since_mark()
        if path is None:
            if not values:
                raise BrokenError("an object has no class")
            path = _path(values.pop(0))
        else:
            self.name(path)
            path = self.pop().path
        self._stack.append(Record(path, tuple(values), called=bool(values)))

    def build(self) -> None:
        state = self.pop()
        target = self._top()
        if not isinstance(target, Record):
            raise RefusedError(f"it sets the state of {described(target)}")
        target.add("states", [state])

    def refer(self, text: str | None = None) -> None:
        """Note a reference; one that holds a class beside its source, as old torch files do, is that class."""
        pid = self.pop() if text is None else text
        is_class = isinstance(pid, tuple) and len(pid) > 1 and pid[0] == "module" and isinstance(pid[1], Global)
        if is_class:
            self._stack.append(pid[1])
        else:
            self.references.append(Persistent(pid))
            self._stack.append(self.references[-1])


def _without(action: Callable[..., None], *args: Any, **options: Any) -> Callable[[_Machine, Any], None]:
    """Make an action of an instruction that has no argument."""
    return lambda machine, _: action(machine, *args, **options)


_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "NONE": _without(_Machine.push, None),
    "NEWTRUE": _without(_Machine.push, True),
    "NEWFALSE": _without(_Machine.push, False),
    "EMPTY_TUPLE": _without(_Machine.push, ()),
    "MARK": _without(_Machine.mark),
    "POP": _without(_Machine.drop),
    "POP_MARK": _without(_Machine.drop_to_mark),
    "DUP": _without(_Machine.duplicate),
    "MEMOIZE": _without(_Machine.memoize),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    "EMPTY_LIST": _without(_Machine.make_list, marked=False),
    "LIST": _without(_Machine.make_list, marked=True),
    "TUPLE": _without(_Machine.make_tuple, None),
    "TUPLE1": _without(_Machine.make_tuple, 1),
    "TUPLE2": _without(_Machine.make_tuple, 2),
    "TUPLE3": _without(_Machine.make_tuple, 3),
    "EMPTY_DICT": _without(_Machine.make, DICT, marked=False),
    "DICT": _without(_Machine.make, DICT, marked=True),
    "EMPTY_SET": _without(_Machine.make, SET, marked=False),
    "FROZENSET": _without(_Machine.make, SET, marked=True),
    "APPEND": _without(_Machine.append, marked=False),
    "APPENDS": _without(_Machine.append, marked=True),
    "ADDITEMS": _without(_Machine.append, marked=True),
    "SETITEM": _without(_Machine.set_items, marked=False),
    "SETITEMS": _without(_Machine.set_items, marked=True),
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.name,
    "REDUCE": _without(_Machine.call),
    "NEWOBJ": _without(_Machine.new, keywords=False),
    "NEWOBJ_EX": _without(_Machine.new, keywords=True),
    "OBJ": _Machine.instance,
    "INST": _Machine.instance,
    "BUILD": _without(_Machine.build),
    "BINPERSID": _Machine.refer,
    "PERSID": _Machine.refer,
}
"""What each instruction does; one that is not here puts its argument on the stack."""


def _path(value: Any) -> str:
    """Name what is called: a global by its name, what a call gave by that call's with `()` behind it."""
    if isinstance(value, Global):
        return value.path
    if isinstance(value, Record):
        return value.path if value.path.endswith("()") else f"{value.path}()"
    raise RefusedError(f"it calls {described(value)}")


def _arguments(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, tuple):
        raise RefusedError(f"it passes {described(value)} as arguments")
    return value
