"""The tensors and plain values of a file, by point-joined key, in bounded time and memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor

from zoo.checkpoints.unpickle.limits import MOST_TENSORS, Limits, RefusedError
from zoo.checkpoints.unpickle.objects import Objects, name_of
from zoo.checkpoints.unpickle.records import Persistent, Record, described
from zoo.checkpoints.unpickle.tensors import Arrays, dtype_of, is_scalar

_MOST_LISTED = 64
_MODULE = {"_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"}
_NOT_GENERATORS = ("D", "augment_pipe")


class Contents:
    """What was found so far: `state`, the tensors, and `meta`, the plain values, both by key.

    All that adds to them raises `RefusedError` where a tensor or plain value is wanted and a call to something stands.
    """

    def __init__(self, arrays: Arrays, bounds: Limits) -> None:
        self.state: dict[str, Tensor] = {}
        self.meta: dict[str, Any] = {}
        self._arrays, self._bounds, self._objects = arrays, bounds, Objects(bounds)

    def add_file(self, content: Any, *, snapshot: bool) -> str:
        """Add all that a file holds; return "TensorFlow pickle" for a network of that era, or three, else "pickle".

        Of a training `snapshot`, the discriminator and the augmentation are left out.
        """
        networks = content if isinstance(content, tuple | list) else (content,)
        if len(networks) in {1, 3} and all(self._objects.is_tensorflow(one) for one in networks):
            for name, network in zip(("G", "D", "Gs")[-len(networks) :], networks, strict=True):
                if name not in _NOT_GENERATORS:
                    self._add_tensorflow(name, f"{name}.", network, 0)
            return "TensorFlow pickle"
        if self._objects.is_module(content):
            self.add("", content)
        elif (pairs := self._objects.pairs(content)) is not None:
            left_out = _NOT_GENERATORS if snapshot else ()
            self._add_each("", (pair for pair in pairs if pair[0] not in left_out), 0)
        elif self._arrays.tensor(content) is not None:
            raise RefusedError("it holds a tensor, not a dictionary of weights")
        else:
            self._refuse_call(content)
            raise RefusedError(f"it holds {described(content)}, not a dictionary of weights")
        return "pickle"

    def add(self, key: str, value: Any, depth: int = 0) -> None:
        """Add a tensor, a plain value, or what lies in a dictionary, list, network or object, under a key."""
        self._bounds.charge_value(key, depth)
        if isinstance(value, str | int | float | bool | None):
            self.meta[key] = value
        elif isinstance(value, list | tuple):
            self._add_each(key, enumerate(value), depth)
        elif is_scalar(value):
            self._add_attribute(key, value, depth)
        elif (tensor := self._read(key, self._arrays.tensor, value)) is not None:
            self._keep(key, tensor)
        elif (pairs := self._objects.pairs(value)) is not None:
            self._add_each(key, pairs, depth)
        elif self._objects.is_module(value):
            self._add_module(key, value, depth)
        elif self._objects.is_tensorflow(value):
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

    def _wanted(self, key: str, read: Callable[[Any], Tensor | None], value: Any) -> Tensor:
        """Read an array where nothing else may stand."""
        tensor = self._read(key, read, value)
        if tensor is None:
            self._refuse_call(value)
            raise RefusedError(f"it has {described(value)} for the tensor {key[:80]}")
        return tensor

    def _keep(self, key: str, tensor: Tensor) -> None:
        if key in self.state:
            raise RefusedError(f"two tensors are called {key[:80]}")
        if len(self.state) >= MOST_TENSORS:
            raise RefusedError(f"it holds more than {MOST_TENSORS:,} tensors")
        self._bounds.charge_bytes(tensor.nbytes)  # again for each of its names: what is made of them is apart
        self.state[key] = tensor

    def _add_module(self, key: str, record: Record, depth: int) -> None:
        """Add a module as its own state dict would: parameters, persistent buffers, modules; then its attributes."""
        kind, state = self._objects.module(record)
        passing = set(self._objects.names(state.get("_non_persistent_buffers_set")))
        self.meta[_join(key, "_class")] = kind
        for name, value in [*self._objects.entries(state, "_parameters"), *self._objects.entries(state, "_buffers")]:
            tensor = self._wanted(_join(key, name), self._arrays.tensor, value)
            if name not in passing:
                self._keep(_join(key, name), tensor)
        for name, value in self._objects.entries(state, "_modules"):
            if not self._objects.is_module(value):
                self._refuse_call(value)
                raise RefusedError(f"it has {described(value)} for the module {_join(key, name)[:80]}")
            self.add(_join(key, name), value, depth + 1)
        for name, value in state.items():
            if name not in _MODULE:
                self._add_attribute(_join(key, name), value, depth + 1)

    def _add_tensorflow(self, key: str, prefix: str, record: Record, depth: int) -> None:
        """Add a network's variables under `prefix`, and what else its state says under `key`."""
        self._bounds.charge_value(prefix, depth)
        state, variables, components = self._objects.tensorflow(record)
        self.meta[_join(key, "_class")] = record.path
        for name, value in variables:
            self._bounds.charge_value(prefix + name, depth)
            self._keep(prefix + name, self._wanted(prefix + name, self._arrays.numpy, value))
        for name, part in components:
            if not self._objects.is_tensorflow(part):
                raise RefusedError(f"it has {described(part)} for the component {name[:80]}")
            self._add_tensorflow(_join(_join(key, "components"), name), f"{prefix}{name}/", part, depth + 1)
        for name, value in state.items():
            self._add_attribute(_join(key, name), value, depth + 1)

    def _add_attribute(self, key: str, value: Any, depth: int) -> None:
        """Add the plain values of an attribute; whatever else it is, a large array too, it is left out."""
        self._bounds.charge_value(key, depth)
        if isinstance(value, str | int | float | bool | None):
            self.meta[key] = value
        elif (dtype := dtype_of(value)) is not None:
            self.meta[key] = str(dtype)
        elif (array := self._small_array(value)) is not None:
            self._add_attribute(key, array.tolist(), depth)
        else:
            for name, item in self._objects.attributes(value):
                self._add_attribute(_join(key, name), item, depth + 1)

    def _small_array(self, value: Any) -> Tensor | None:
        try:
            array = self._arrays.numpy(value)
        except RefusedError:
            return None
        return array if array is not None and array.numel() <= _MOST_LISTED else None

    def _refuse_call(self, value: Any) -> None:
        if isinstance(value, Persistent):
            raise RefusedError("it refers to something outside of the pickle that is no tensor")
        if isinstance(value, Record) and value.path.startswith("torch._utils._rebuild_"):
            raise RefusedError(f"it has a tensor of a kind that zoo does not read ({value.path})")
        if not self._objects.is_harmless(value):
            raise RefusedError(f"it asks for {value.path}, and zoo reads tensors and plain values only")


def _join(key: str, name: Any) -> str:
    return f"{key}.{name_of(name)}" if key else name_of(name)
