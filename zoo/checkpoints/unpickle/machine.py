"""The stack machine of a pickle, which records what Python's own would make.

Why this is safe: the methods of `Machine` are all that can happen. None of them imports a module, gets an attribute of
an object that the file names, or calls such an object. ``find_class`` of Python's own unpickler has no counterpart
here: where that would look up a class, `Machine.push_global` records the name.
"""

from __future__ import annotations

from typing import Any

from zoo.checkpoints.unpickle.limits import BrokenError, RefusedError
from zoo.checkpoints.unpickle.records import DICT, Global, PersistentId, Record, describe

_MAX_NAME = 200
_MAX_INTEGER = 2**512
_MAX_MEMO_INDEX = 2**32

# What pickles of protocol 0 and 1 call to make an empty object of the class that is their first argument.
_EMPTY_OBJECT_MAKERS = {
    f"{module}.{name}" for module in ("copyreg", "copy_reg") for name in ("_reconstructor", "__newobj__")
}

# What pickles of protocols 0 to 3 call for a class inside a class, which later ones name with a point.
_GETATTR = {"builtins.getattr", "__builtin__.getattr"}


class Machine:
    """The stack and the memo of one pickle. Every instruction adds at most one small object to them.

    Its methods raise `BrokenError` if the stack or the memo lacks what an instruction needs, and `RefusedError` for
    what zoo does not do.

    Attributes:
        persistent_ids: All references to something outside the pickle so far.
    """

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[str, Any] = {}  # keys are text: a file could choose integers whose hashes collide
        self.persistent_ids: list[PersistentId] = []

    def pop(self) -> Any:
        """Take the top of the stack."""
        self._require(1)
        return self._stack.pop()

    def _require(self, count: int) -> None:
        """Raise `BrokenError` unless there are so many objects above the last mark."""
        if len(self._stack) - (self._marks[-1] if self._marks else 0) < count:
            raise BrokenError("an instruction needs more than there is on the stack")

    def _top(self) -> Any:
        self._require(1)
        return self._stack[-1]

    def push(self, value: Any) -> None:
        """Push a plain value; of an integer, the size is checked.

        Args:
            value: None, a bool, a number, text, a view of the file or a tuple.
        """
        if isinstance(value, int) and abs(value) > _MAX_INTEGER:
            raise RefusedError("it holds an integer of more than 512 bits")
        self._stack.append(value)

    def _pop_to_mark(self) -> list[Any]:
        if not self._marks:
            raise BrokenError("an instruction finds no mark on the stack")
        mark = self._marks.pop()
        values = self._stack[mark:]
        del self._stack[mark:]
        return values

    # --- stack and memo

    def mark(self) -> None:
        """MARK: remember how high the stack is."""
        self._marks.append(len(self._stack))

    def discard(self) -> None:
        """POP: drop the top of the stack, or a mark on top of it."""
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self.pop()

    def discard_to_mark(self) -> None:
        """POP_MARK: drop what is above the mark, and the mark."""
        self._pop_to_mark()

    def duplicate(self) -> None:
        """DUP: push the top once more."""
        self._stack.append(self._top())

    def memoize(self) -> None:
        """MEMOIZE: write the top into the memo, under the next index."""
        self._memo[str(len(self._memo))] = self._top()

    def put(self, index: int) -> None:
        """PUT: write the top into the memo.

        Args:
            index: The index into the memo.
        """
        if not 0 <= index < _MAX_MEMO_INDEX:
            raise RefusedError("it uses an index into the memo that no pickle needs")
        self._memo[str(index)] = self._top()

    def get(self, index: int) -> None:
        """GET: push an entry of the memo.

        Args:
            index: The index into the memo.
        """
        if str(index) not in self._memo:
            raise BrokenError("it reads an entry of the memo that was never written")
        self._stack.append(self._memo[str(index)])

    # --- lists, tuples, dictionaries, sets

    def make_list(self, *, marked: bool) -> None:
        """EMPTY_LIST and LIST: push a list of what is above the mark, or an empty one.

        Args:
            marked: Whether the items are above the mark.
        """
        self._stack.append(self._pop_to_mark() if marked else [])

    def make_tuple(self, count: int | None) -> None:
        """TUPLE, TUPLE1 …: make a tuple of the `count` objects on top of the stack; None: of those above the mark.

        Args:
            count: How many objects, or None.
        """
        if count is None:
            self._stack.append(tuple(self._pop_to_mark()))
        else:
            self._require(count)
            self._stack[-count:] = [tuple(self._stack[-count:])]

    def make_container(self, path: str, *, marked: bool) -> None:
        """EMPTY_DICT, DICT, EMPTY_SET and FROZENSET: record a dictionary or a set.

        Args:
            path: `DICT` or `SET`.
            marked: Whether the content is above the mark.
        """
        values = self._pop_to_mark() if marked else []
        record = Record(path)
        self._stack.append(record)
        if path == DICT:
            self._add_pairs(record, values)
        else:
            record.add("items", values)

    def append(self, *, marked: bool) -> None:
        """APPEND, APPENDS and ADDITEMS: extend a list, or record what would be added to an object.

        Args:
            marked: Whether the items are above the mark; else there is one, on top.
        """
        values = self._pop_to_mark() if marked else [self.pop()]
        target = self._top()
        if not isinstance(target, list | Record):
            raise RefusedError(f"it appends to {describe(target)}")
        if isinstance(target, list):
            target.extend(values)
        else:
            target.add("items", values)

    def set_items(self, *, marked: bool) -> None:
        """SETITEM and SETITEMS: record keys and values of the object below them.

        Args:
            marked: Whether keys and values are above the mark; else there is one of each, on top.
        """
        values = self._pop_to_mark() if marked else self._pop_two()
        self._add_pairs(self._top(), values)

    def _pop_two(self) -> list[Any]:
        self._require(2)
        values = self._stack[-2:]
        del self._stack[-2:]
        return values

    @staticmethod
    def _add_pairs(target: Any, values: list[Any]) -> None:
        """Record keys and values, which alternate in `values`."""
        if not isinstance(target, Record):
            raise RefusedError(f"it sets items of {describe(target)}")
        if len(values) % 2:
            raise BrokenError("a key has no value")
        target.add("pairs", zip(values[::2], values[1::2], strict=True))

    # --- classes, calls and objects: recorded only

    def push_global(self, path: str | None = None) -> None:
        """GLOBAL and STACK_GLOBAL: record a name, where Python would look it up; STACK_GLOBAL's is on the stack.

        Args:
            path: Module and name, with a space between them; None if they are on the stack.
        """
        if path is None:
            names = self._pop_two()
            if not all(isinstance(name, str) and len(name) <= _MAX_NAME for name in names):
                raise RefusedError("it names a class by something that is not a name")
            path = ".".join(names)
        path = path.replace(" ", ".")  # pickletools joins the two lines of GLOBAL with a space
        if len(path) > _MAX_NAME or not path.isprintable():
            raise RefusedError("it names a class by something that is not a name")
        self._stack.append(Global(path))

    def reduce(self) -> None:
        """REDUCE: record a call, where Python would make it."""
        function, args = self._pop_two()
        path = _callable_path(function)
        if path in _GETATTR and isinstance(args, tuple) and _is_class_and_name(args):
            self.push_global(f"{args[0].path}.{args[1]}")
        elif path in _EMPTY_OBJECT_MAKERS and isinstance(args, tuple) and args and isinstance(args[0], Global):
            self._stack.append(Record(args[0].path, args[1:]))
        else:
            self._stack.append(Record(path, _arguments(args), called=True))

    def new_object(self, *, keywords: bool) -> None:
        """NEWOBJ and NEWOBJ_EX: record an object, where Python would call ``__new__``; keywords are left out.

        Args:
            keywords: Whether a dictionary of keyword arguments is on top.
        """
        self._require(3 if keywords else 2)
        if keywords:
            self._stack.pop()
        cls, args = self._pop_two()
        self._stack.append(Record(_callable_path(cls), _arguments(args)))

    def instance(self, path: str | None = None) -> None:
        """INST and OBJ: record an object, where Python would call a class with what is above the mark.

        Args:
            path: Module and name of the class, with a space between them; None if the class is on the stack.
        """
        values = self._pop_to_mark()
        if path is None:
            if not values:
                raise BrokenError("an object has no class")
            path = _callable_path(values.pop(0))
        else:
            self.push_global(path)
            path = self.pop().path
        self._stack.append(Record(path, tuple(values), called=bool(values)))

    def build(self) -> None:
        """BUILD: record a state, where Python would call ``__setstate__`` or set attributes."""
        state = self.pop()
        target = self._top()
        if not isinstance(target, Record):
            raise RefusedError(f"it sets the state of {describe(target)}")
        target.add("states", [state])

    def persistent_load(self, text: str | None = None) -> None:
        """PERSID and BINPERSID: record a persistent id; BINPERSID's is on the stack.

        Old torch files pickle a class as ("module", class, its source …): this stands for the class.

        Args:
            text: The persistent id; None if it is on the stack.
        """
        pid = self.pop() if text is None else text
        is_class = isinstance(pid, tuple) and len(pid) > 1 and pid[0] == "module" and isinstance(pid[1], Global)
        if is_class:
            self._stack.append(pid[1])
        else:
            self.persistent_ids.append(PersistentId(pid))
            self._stack.append(self.persistent_ids[-1])


def _callable_path(value: Any) -> str:
    """Name what a file asks to call: a global by its name, the result of a call by that call's name and ``()``."""
    if isinstance(value, Global):
        return value.path
    if isinstance(value, Record):
        return value.path if value.path.endswith("()") else f"{value.path}()"
    raise RefusedError(f"it calls {describe(value)}")


def _is_class_and_name(args: tuple[Any, ...]) -> bool:
    return len(args) == 2 and isinstance(args[0], Global) and isinstance(args[1], str)


def _arguments(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, tuple):
        raise RefusedError(f"it passes {describe(value)} as arguments")
    return value
