"""What a record stands for: a dictionary, a set, a module of torch, a network of TensorFlow, an object with a state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeGuard

from zoo.checkpoints.unpickle.limits import BrokenError, Limits, RefusedError
from zoo.checkpoints.unpickle.records import DICT, SET, Record, described

_MAPPINGS = {
    DICT,
    "__builtin__.dict",
    "collections.OrderedDict",
    "collections.defaultdict",
    "dnnlib.util.EasyDict",
    "dnnlib.EasyDict",
}
_SETS = {SET, "__builtin__.set", "builtins.frozenset", "__builtin__.frozenset"}
_PLAIN = {"torch.Size", "torch.device"}
_PERSISTENT = "torch_utils.persistence._reconstruct_persistent_obj"
_TENSORFLOW = {"dnnlib.tflib.network.Network", "tfutil.Network", "network.Network"}

Pairs = list[tuple[Any, Any]]


class Objects:
    """Looks at the records of one file, and counts how much it looks at: a record may be met again and again."""

    def __init__(self, bounds: Limits) -> None:
        self._bounds = bounds

    def pairs(self, value: Any) -> Pairs | None:
        """List the items of a dictionary, in order; None for what is none."""
        if not isinstance(value, Record) or (value.path not in _MAPPINGS and (value.called or not value.pairs)):
            return None
        given = value.args[0] if len(value.args) == 1 and isinstance(value.args[0], list | tuple) else ()
        self._bounds.charge_entries(len(given) + len(value.pairs))
        if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in given):
            raise BrokenError("a dictionary is made of what are no pairs")
        return [*((pair[0], pair[1]) for pair in given), *value.pairs]

    def names(self, value: Any) -> list[str]:
        """List the text in a set, however it was made; nothing for what is none."""
        if not isinstance(value, Record) or value.path not in _SETS:
            return []
        given = value.args[0] if value.args and isinstance(value.args[0], list | tuple) else ()
        self._bounds.charge_entries(len(given) + len(value.items))
        return [name for name in (*given, *value.items) if isinstance(name, str)]

    def state(self, record: Record) -> dict[str, Any]:
        """Gather the attributes of an object by name; what was set later wins."""
        found: dict[str, Any] = {}
        self._bounds.charge_entries(len(record.states))
        for given in record.states:
            for part in given[:2] if isinstance(given, tuple) else (given,):
                found.update(self._named(part))
        return found

    def attributes(self, value: Any) -> Iterable[tuple[Any, Any]]:
        """List what can be told of a value: its items, or else its class and attributes; of a call, nothing."""
        if isinstance(value, list | tuple):
            return enumerate(value)
        if not isinstance(value, Record):
            return ()
        if value.path in _SETS:
            return enumerate(self.names(value))
        if value.path == "torch.Size" and value.args and isinstance(value.args[0], tuple | list):
            return enumerate(value.args[0])
        if (pairs := self.pairs(value)) is not None:
            return pairs
        return () if value.called else [("_class", value.path), *self.state(value).items()]

    def is_harmless(self, value: Any) -> bool:
        """Say whether a value is no call, or one that plain checkpoints hold: a set, a size, a device."""
        return not isinstance(value, Record) or not value.called or value.path in _SETS | _PLAIN

    def is_module(self, value: Any) -> TypeGuard[Record]:
        """Say whether a value is a module: a persistent object of NVIDIA's, or an object with a module's state."""
        if not isinstance(value, Record):
            return False
        return value.path == _PERSISTENT if value.called else bool(value.states) and "_modules" in self.state(value)

    def module(self, record: Record) -> tuple[str, dict[str, Any]]:
        """Tell a module's class and attributes. Of a persistent object, the source that comes along is not looked at.

        Raises `RefusedError` for a persistent object of another kind or version.
        """
        if not record.called:
            return record.path, self.state(record)
        meta = self._named(record.args[0] if record.args else None)
        if meta.get("type") != "class" or meta.get("version") != 6:
            what = f"type {described(meta.get('type'))}, version {described(meta.get('version'))}"
            raise RefusedError(f"it has a persistent object of {what}; zoo reads type 'class', version 6")
        if not isinstance(meta.get("class_name"), str):
            raise BrokenError("a persistent object does not say its class")
        return meta["class_name"], self._named(meta.get("state"))

    def entries(self, state: dict[str, Any], part: str) -> list[tuple[str, Any]]:
        """List what a module has in `_parameters`, `_buffers` or `_modules`, but for what is None."""
        return [(name_of(name), value) for name, value in self.pairs(state.get(part)) or () if value is not None]

    def is_tensorflow(self, value: Any) -> TypeGuard[Record]:
        """Say whether a value is a network of the TensorFlow era."""
        return isinstance(value, Record) and not value.called and value.path in _TENSORFLOW

    def tensorflow(self, record: Record) -> tuple[dict[str, Any], list[tuple[str, Any]], list[tuple[str, Any]]]:
        """Tell a TensorFlow network's state, its variables and its components, by name.

        Raises `RefusedError` for another version than 2 to 5 or none, and where there are no variables.
        """
        state = self.state(record)
        version = state.get("version")
        if version is not None and (type(version) is not int or not 2 <= version <= 5):
            raise RefusedError(f"it has a TensorFlow network of version {described(version)}; zoo reads 2 to 5")
        variables, components = state.pop("variables", None), self.pairs(state.pop("components", None)) or []
        given = variables if isinstance(variables, list | tuple) else self.pairs(variables)
        if given is None or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in given):
            raise RefusedError("it has a TensorFlow network without variables")
        self._bounds.charge_entries(len(given))
        state.pop("build_module_src", None)
        return (
            state,
            [(name_of(name), value) for name, value in given],
            [(name_of(name), part) for name, part in components],
        )

    def _named(self, value: Any) -> dict[str, Any]:
        return {name: item for name, item in self.pairs(value) or () if isinstance(name, str)}


def name_of(value: Any) -> str:
    """Take a key of a dictionary as text. Raises `RefusedError` for what is no name."""
    if not isinstance(value, str | int | float | bool | None):
        raise RefusedError(f"it uses {described(value)} as a name")
    return str(value)
