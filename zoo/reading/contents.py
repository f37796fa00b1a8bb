"""The tensors and plain values of a file, by point-joined key, in bounded time and memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor

from zoo.reading.arrays import Arrays, dtype_of
from zoo.reading.bounds import Bounds, BrokenError, RefusedError
from zoo.reading.pickles import DICT, SET, Persistent, Record, described

_MOST_LISTED = 64
_MAPPINGS = {
    DICT,
    "__builtin__.dict",
    "collections.OrderedDict",
    "collections.defaultdict",
    "dnnlib.util.EasyDict",
    "dnnlib.EasyDict",
}
_SETS = {SET, "__builtin__.set", "builtins.frozenset", "__builtin__.frozenset"}
_PERSISTENT = "torch_utils.persistence._reconstruct_persistent_obj"
_TENSORFLOW = {"dnnlib.tflib.network.Network", "tfutil.Network", "network.Network"}
_MODULE = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")


class Contents:
    """What was found so far: `state`, the tensors, and `meta`, the plain values, both by key.

    All that adds to them raises `RefusedError` where a tensor or plain value is wanted and a call to something stands.
    """

    def __init__(self, arrays: Arrays, bounds: Bounds) -> None:
        self.state: dict[str, Tensor] = {}
        self.meta: dict[str, Any] = {}
        self._arrays, self._bounds = arrays, bounds

    def add_file(self, content: Any, *, snapshot: bool) -> str:
        """Add all that a file holds; return "TensorFlow pickle" for a network of that era, or three, else "pickle".

        Of a training `snapshot`, the discriminator and the augmentation are left out.
        """
        networks = content if isinstance(content, tuple | list) else (content,)
        if len(networks) in {1, 3} and all(_is_tensorflow(one) for one in networks):
            named = dict(zip(("G", "D", "Gs")[-len(networks) :], networks, strict=True))
            for name, network in named.items():
                if not _dropped(name):
                    self._add_tensorflow(name, f"{name}.", network, 0)
            return "TensorFlow pickle"
        if _is_module(content):
            self.add("", content)
        elif (pairs := _pairs(content)) is not None:
            self._add_each("", (pair for pair in pairs if not (snapshot and _dropped(pair[0]))), 0)
        elif self._arrays.tensor(content) is not None:
            raise RefusedError("it holds a tensor, not a dictionary of weights")
        else:
            self._refuse_call(content)
            raise RefusedError(f"it holds {described(content)}, not a dictionary of weights")
        return "pickle"

    def add(self, key: str, value: Any, depth: int = 0) -> None:
        """Add a tensor, a plain value, or what lies in a dictionary, list, network or object, under a key."""
        self._bounds.visit(key, depth)
        if isinstance(value, str | int | float | bool | None):
            self.meta[key] = value
        elif isinstance(value, list | tuple):
            self._add_each(key, enumerate(value), depth)
        elif (tensor := self._read(key, self._arrays.tensor, value)) is not None:
            self._keep(key, tensor)
        elif (pairs := _pairs(value)) is not None:
            self._add_each(key, pairs, depth)
        elif _is_module(value):
            self._add_module(key, value, depth)
        elif _is_tensorflow(value):
            self._add_tensorflow(key, f"{key}.", value, depth)
        else:
            self._refuse_call(value)
            self._add_attribute(key, value, depth)

    def _add_each(self, key: str, pairs: Iterable[tuple[Any, Any]], depth: int) -> None:
        for name, value in pairs:
            self.add(_join(key, name), value, depth + 1)

    def _read(self, key: str, read: Callable[[Any], Tensor | None], value: Any) -> Tensor | None:
        """Read an array; a refusal names the key that it stands under."""
        try:
            return read(value)
        except RefusedError as error:
            raise RefusedError(f"tensor {key[:80]}: {error}") from None

    def _keep(self, key: str, tensor: Tensor) -> None:
        if key in self.state:
            raise RefusedError(f"two tensors are called {key}")
        self.state[key] = tensor

    # --- networks of torch

    def _add_module(self, key: str, record: Record, depth: int) -> None:
        """Add a module as its own state dict would: parameters, persistent buffers, modules; then its attributes."""
        kind, state = _module(record)
        passing = set(_names(state.get("_non_persistent_buffers_set")))
        self.meta[_join(key, "_class")] = kind
        tensors = [*_entries(state, "_parameters"), *_entries(state, "_buffers")]
        for name, value in tensors:
            tensor = self._read(_join(key, name), self._arrays.tensor, value)
            if tensor is None:
                self._refuse_call(value)
                raise RefusedError(f"it has {described(value)} for the tensor {_join(key, name)}")
            if name not in passing:
                self._keep(_join(key, name), tensor)
        for name, value in _entries(state, "_modules"):
            if not _is_module(value):
                self._refuse_call(value)
                raise RefusedError(f"it has {described(value)} for the module {_join(key, name)}")
            self.add(_join(key, name), value, depth + 1)
        for name, value in state.items():
            if name not in _MODULE:
                self._add_attribute(_join(key, name), value, depth + 1)

    def _add_attribute(self, key: str, value: Any, depth: int) -> None:
        """Add the plain values of an attribute; whatever else it is, it is left out."""
        self._bounds.visit(key, depth)
        if isinstance(value, str | int | float | bool | None):
            self.meta[key] = value
        elif (dtype := dtype_of(value)) is not None:
            self.meta[key] = str(dtype)
        elif (array := self._read(key, self._arrays.numpy, value)) is not None:
            self._add_attribute(key, array.tolist() if array.numel() <= _MOST_LISTED else (), depth)
        else:
            pairs = enumerate(value) if isinstance(value, list | tuple) else _attributes(value)
            for name, item in pairs:
                self._add_attribute(_join(key, name), item, depth + 1)

    # --- networks of TensorFlow

    def _add_tensorflow(self, key: str, prefix: str, record: Record, depth: int) -> None:
        """Add a network's variables under `prefix`, and what else its state says under `key`."""
        self._bounds.visit(prefix, depth)
        state = _state(record)
        version = state.get("version")
        if version is not None and (type(version) is not int or not 2 <= version <= 5):
            raise RefusedError(f"it has a TensorFlow network of version {described(version)}; zoo reads 2 to 5")
        self.meta[_join(key, "_class")] = record.path
        for name, value in _variables(state.get("variables")):
            self._bounds.visit(f"{prefix}{name}", depth)
            tensor = self._read(f"{prefix}{name}", self._arrays.numpy, value)
            if tensor is None:
                self._refuse_call(value)
                raise RefusedError(f"it has {described(value)} for the variable {name}")
            self._keep(f"{prefix}{name}", tensor)
        for name, component in _pairs(state.get("components")) or ():
            if not _is_tensorflow(component):
                raise RefusedError(f"it has {described(component)} for the component {name}")
            place = _join(_join(key, "components"), name)
            self._add_tensorflow(place, f"{prefix}{_name(name)}/", component, depth + 1)
        for name, value in state.items():
            if name not in {"variables", "components", "build_module_src"}:
                self._add_attribute(_join(key, name), value, depth + 1)

    def _refuse_call(self, value: Any) -> None:
        if isinstance(value, Record) and value.path.startswith("torch._utils._rebuild_"):
            raise RefusedError(f"it has a tensor of a kind that zoo does not read ({value.path})")
        if isinstance(value, Persistent):
            raise RefusedError("it refers to something outside of the pickle that is no tensor")
        if isinstance(value, Record) and value.called:
            raise RefusedError(f"it asks for {value.path}, and zoo reads tensors and plain values only")


# --- what a record is ------------------------------------------------------------------------------------------------


def _pairs(value: Any) -> list[tuple[Any, Any]] | None:
    """The items of a dictionary, in order; None for what is none."""
    if not isinstance(value, Record) or (value.path not in _MAPPINGS and (value.called or not value.pairs)):
        return None
    given = value.args[0] if len(value.args) == 1 and isinstance(value.args[0], list | tuple) else ()
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in given):
        raise BrokenError("a dictionary is made of what are no pairs")
    return [*((pair[0], pair[1]) for pair in given), *value.pairs]


def _state(record: Record) -> dict[str, Any]:
    """The attributes of an object by name; what was set later wins."""
    found: dict[str, Any] = {}
    for given in record.states:
        for part in given if isinstance(given, tuple) else (given,):
            found.update((name, value) for name, value in _pairs(part) or () if isinstance(name, str))
    return found


def _attributes(value: Any) -> Iterable[tuple[Any, Any]]:
    """What can be told of an object: the items of a dictionary or set, or else the state of what was not called."""
    if not isinstance(value, Record):
        return ()
    if value.path in _SETS:
        return enumerate(_names(value))
    if value.path in {"torch.Size", "torch.device"} and len(value.args) == 1:
        inside = value.args[0]
        return enumerate(inside) if isinstance(inside, tuple | list) else ()
    if (pairs := _pairs(value)) is not None:
        return pairs
    return () if value.called else [("_class", value.path), *_state(value).items()]


def _is_persistent(value: Any) -> bool:
    return isinstance(value, Record) and value.called and value.path == _PERSISTENT


def _is_module(value: Any) -> bool:
    """Say whether a record is a module: one of NVIDIA's persistent objects, or an object that has a module's state."""
    if _is_persistent(value):
        return True
    return isinstance(value, Record) and not value.called and bool(value.states) and "_modules" in _state(value)


def _is_tensorflow(value: Any) -> bool:
    return isinstance(value, Record) and not value.called and value.path in _TENSORFLOW


def _module(record: Record) -> tuple[str, dict[str, Any]]:
    """The class of a module, and its attributes. The source that a persistent object brings along is not looked at."""
    if not _is_persistent(record):
        return record.path, _state(record)
    meta = dict(_named(record.args[0] if record.args else None))
    if meta.get("type") != "class" or meta.get("version") != 6:
        what = f"type {described(meta.get('type'))}, version {described(meta.get('version'))}"
        raise RefusedError(f"it has a persistent object of {what}; zoo reads type 'class', version 6")
    kind, state = meta.get("class_name"), _named(meta.get("state"))
    if not isinstance(kind, str):
        raise BrokenError("a persistent object does not say its class")
    return kind, dict(state)


def _named(value: Any) -> list[tuple[str, Any]]:
    pairs = _pairs(value)
    if pairs is None:
        raise BrokenError("a persistent object has no state")
    return [(name, item) for name, item in pairs if isinstance(name, str)]


def _entries(state: dict[str, Any], part: str) -> list[tuple[str, Any]]:
    """What a module holds in `_parameters`, `_buffers` or `_modules`, but for what is None."""
    return [(_name(name), value) for name, value in _pairs(state.get(part)) or () if value is not None]


def _names(value: Any) -> list[str]:
    """The text in a set, however it was made."""
    if not isinstance(value, Record) or value.path not in _SETS:
        return []
    given = value.args[0] if value.args and isinstance(value.args[0], list | tuple) else ()
    return [name for name in (*given, *value.items) if isinstance(name, str)]


def _variables(value: Any) -> list[tuple[str, Any]]:
    """The variables of a TensorFlow network: a dictionary, or a list of pairs."""
    pairs = value if isinstance(value, list | tuple) else _pairs(value)
    if pairs is None or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise RefusedError("it has a TensorFlow network without variables")
    return [(_name(pair[0]), pair[1]) for pair in pairs]


def _dropped(name: Any) -> bool:
    return isinstance(name, str) and name in {"D", "augment_pipe"}


def _name(value: Any) -> str:
    if not isinstance(value, str | int | float | bool | None):
        raise RefusedError(f"it uses {described(value)} as a name")
    return str(value)


def _join(key: str, name: Any) -> str:
    return f"{key}.{_name(name)}" if key else _name(name)
