"""What a record stands for: a dictionary, a set, a module of torch, a network of TensorFlow, an object with a state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeGuard

from zoo.checkpoints.unpickle.limits import BrokenError, Limits, RefusedError
from zoo.checkpoints.unpickle.records import DICT, SET, Record, describe

_DICTIONARIES = {
    DICT,
    "__builtin__.dict",
    "collections.OrderedDict",
    "collections.defaultdict",
    "dnnlib.util.EasyDict",
    "dnnlib.EasyDict",
}
_SETS = {SET, "__builtin__.set", "builtins.frozenset", "__builtin__.frozenset"}
# NVIDIA's pickles hold, beside a network's state, the source of its class, which their own library runs. The source is
# not looked at here.
_PERSISTENT_OBJECT = "torch_utils.persistence._reconstruct_persistent_obj"
_PERSISTENT_VERSION = 6
_TENSORFLOW_NETWORKS = {"dnnlib.tflib.network.Network", "tfutil.Network", "network.Network"}
_TENSORFLOW_VERSIONS = range(2, 6)

Pairs = list[tuple[Any, Any]]


class TensorFlowNetwork(NamedTuple):
    """A network of the TensorFlow era.

    Attributes:
        state: Its attributes, without variables and components.
        variables: Names and records of arrays.
        components: Names and records of the networks that it is made of.
    """

    state: dict[str, Any]
    variables: list[tuple[str, Any]]
    components: list[tuple[str, Any]]


class RecordReader:
    """Tells what the records of one file stand for.

    What it looks through is charged to the limits each time, since a file can refer to a record again and again.

    Args:
        limits: What the file may still cost.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def pairs(self, value: Any) -> Pairs | None:
        """List the keys and values of a dictionary, in order.

        Args:
            value: Anything from a file.

        Returns:
            The pairs; None for what is not a dictionary.

        Raises:
            BrokenError: If a dictionary is made of something other than pairs.
            RefusedError: If too much was looked through.
        """
        if not isinstance(value, Record) or (value.path not in _DICTIONARIES and (value.called or not value.pairs)):
            return None
        given = value.args[0] if len(value.args) == 1 and isinstance(value.args[0], list | tuple) else ()
        self._limits.charge_entries(len(given) + len(value.pairs))
        if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in given):
            raise BrokenError("a dictionary is made of something other than pairs")
        return [*((pair[0], pair[1]) for pair in given), *value.pairs]

    def names(self, value: Any) -> list[str]:
        """List the text in a set, however the set was made.

        Args:
            value: Anything from a file.

        Returns:
            The text; nothing for what is not a set.

        Raises:
            RefusedError: If too much was looked through.
        """
        if not isinstance(value, Record) or value.path not in _SETS:
            return []
        given = value.args[0] if value.args and isinstance(value.args[0], list | tuple) else ()
        self._limits.charge_entries(len(given) + len(value.items))
        return [name for name in (*given, *value.items) if isinstance(name, str)]

    def state(self, record: Record) -> dict[str, Any]:
        """Gather the attributes of an object.

        Args:
            record: An object's record.

        Returns:
            The attributes by name; what was set later wins.

        Raises:
            BrokenError: See `pairs`.
            RefusedError: If too much was looked through.
        """
        attributes: dict[str, Any] = {}
        self._limits.charge_entries(len(record.states))
        for state in record.states:
            # A pair is (__dict__, slots), as pickle writes the state of a class with __slots__.
            for part in state[:2] if isinstance(state, tuple) else (state,):
                attributes.update(self._text_keys(part))
        return attributes

    def attributes(self, value: Any) -> Iterable[tuple[Any, Any]]:
        """List what is inside a value.

        Args:
            value: Anything from a file.

        Returns:
            Keys and values: of a list, tuple, set or dictionary, its items; of an object, its class and attributes; of
            the result of a call, nothing.

        Raises:
            BrokenError: See `pairs`.
            RefusedError: If too much was looked through.
        """
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

    def is_module(self, value: Any) -> TypeGuard[Record]:
        """Say whether a value is a module: a persistent object of NVIDIA's, or an object with a module's state.

        Args:
            value: Anything from a file.
        """
        if not isinstance(value, Record):
            return False
        if value.called:
            return value.path == _PERSISTENT_OBJECT
        return bool(value.states) and "_modules" in self.state(value)

    def module(self, record: Record) -> tuple[str, dict[str, Any]]:
        """Tell a module's class and attributes.

        Args:
            record: A record of which `is_module` holds.

        Returns:
            The name of the class, and the attributes by name.

        Raises:
            BrokenError: If a persistent object does not state its class.
            RefusedError: For a persistent object of another kind or version.
        """
        if not record.called:
            return record.path, self.state(record)
        meta = self._text_keys(record.args[0] if record.args else None)
        if meta.get("type") != "class" or meta.get("version") != _PERSISTENT_VERSION:
            what = f"type {describe(meta.get('type'))}, version {describe(meta.get('version'))}"
            raise RefusedError(
                f"it has a persistent object of {what}; zoo reads type 'class', version {_PERSISTENT_VERSION}"
            )
        if not isinstance(meta.get("class_name"), str):
            raise BrokenError("a persistent object does not state its class")
        return meta["class_name"], self._text_keys(meta.get("state"))

    def members(self, state: dict[str, Any], part: str) -> list[tuple[str, Any]]:
        """List the parameters, buffers or modules of a module.

        Args:
            state: The module's attributes.
            part: ``_parameters``, ``_buffers`` or ``_modules``.

        Returns:
            Names and records, without those that are None.

        Raises:
            BrokenError: See `pairs`.
            RefusedError: For a key that is not a name.
        """
        return [(name_of(name), value) for name, value in self.pairs(state.get(part)) or () if value is not None]

    def is_tensorflow(self, value: Any) -> TypeGuard[Record]:
        """Say whether a value is a network of the TensorFlow era.

        Args:
            value: Anything from a file.
        """
        return isinstance(value, Record) and not value.called and value.path in _TENSORFLOW_NETWORKS

    def tensorflow(self, record: Record) -> TensorFlowNetwork:
        """Tell what a TensorFlow network is made of. The source of its class is not looked at.

        Args:
            record: A record of which `is_tensorflow` holds.

        Returns:
            Its state, variables and components.

        Raises:
            RefusedError: For a version other than 2 to 5 or none, and where there are no variables.
        """
        state = self.state(record)
        version = state.get("version")
        if version is not None and (type(version) is not int or version not in _TENSORFLOW_VERSIONS):
            raise RefusedError(f"it has a TensorFlow network of version {describe(version)}; zoo reads 2 to 5")
        variables = state.pop("variables", None)
        components = self.pairs(state.pop("components", None)) or []
        pairs = variables if isinstance(variables, list | tuple) else self.pairs(variables)
        if pairs is None or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
            raise RefusedError("it has a TensorFlow network without variables")
        self._limits.charge_entries(len(pairs))
        state.pop("build_module_src", None)
        return TensorFlowNetwork(
            state,
            [(name_of(name), value) for name, value in pairs],
            [(name_of(name), part) for name, part in components],
        )

    def _text_keys(self, value: Any) -> dict[str, Any]:
        return {name: item for name, item in self.pairs(value) or () if isinstance(name, str)}


def name_of(value: Any) -> str:
    """Take a key of a dictionary as text.

    Args:
        value: The key.

    Returns:
        Its text.

    Raises:
        RefusedError: If it is neither text, a number nor None.
    """
    if not isinstance(value, str | int | float | bool | None):
        raise RefusedError(f"it uses {describe(value)} as a name")
    return str(value)
