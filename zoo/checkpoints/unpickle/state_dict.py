"""The tensors and plain values of a file, by point-joined key, in bounded time and memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from zoo.checkpoints.unpickle.calls import is_harmless
from zoo.checkpoints.unpickle.limits import MAX_TENSORS, Limits, RefusedError, UnreadError
from zoo.checkpoints.unpickle.objects import RecordReader, name_of
from zoo.checkpoints.unpickle.records import PersistentId, Record, describe
from zoo.checkpoints.unpickle.tensors import TensorReader, dtype_of, is_scalar

# Elements of the largest array that becomes a plain value.
_MAX_PLAIN_ELEMENTS = 64

# Attributes of a module that are read as tensors and modules, and so are not plain values.
_MODULE_PARTS = {"_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"}

# A longer list of plain values is a log of training, and is left out unread. Its entries may be small lists themselves.
_MOST_VALUES = 1_000
_LOG_DEPTH = 2

# What a training snapshot holds beside its generators.
_NOT_GENERATORS = ("D", "augment_pipe")


class StateDictBuilder:
    """Collects the tensors and plain values of one file.

    Every method that adds to them raises `RefusedError` where a tensor or plain value is expected and the file asks for
    a call.

    Args:
        tensors: Reads the file's tensors.
        limits: What the file may still cost.

    Attributes:
        state: The tensors so far, by key.
        meta: The plain values so far, by key.
        unread: Why a value beside the weights was left out, by its key.
    """

    def __init__(self, tensors: TensorReader, limits: Limits) -> None:
        self.state: dict[str, Tensor] = {}
        self.meta: dict[str, Any] = {}
        self.unread: dict[str, str] = {}
        self._tensors = tensors
        self._limits = limits
        self._records = RecordReader(limits)
        self._inside: set[int] = set()  # the ids of the values that are being added

    def add_file(self, content: Any, *, snapshot: bool, bare: bool = False) -> str:
        """Add all that a file holds.

        Args:
            content: What the file's pickle holds.
            snapshot: Whether it may be a training snapshot, of which discriminator and augmentation are left out.
            bare: Whether it may be a tensor alone, whose key is then empty, or a list.

        Returns:
            "TensorFlow pickle" for a network of that era, or three (G, D, Gs); else "pickle".

        Raises:
            BrokenError: If a record is damaged.
            RefusedError: If the file holds something other than a network or a dictionary of weights.
        """
        networks = content if isinstance(content, tuple | list) else (content,)
        if len(networks) in {1, 3} and all(self._records.is_tensorflow(one) for one in networks):
            names = ("G", "D", "Gs")[-len(networks) :]  # a single one is Gs, the average
            for name, network in zip(names, networks, strict=True):
                if name not in _NOT_GENERATORS:
                    self._add_tensorflow(name, f"{name}.", network, 0)
            return "TensorFlow pickle"
        if self._records.is_module(content):
            self.add("", content)
        elif (pairs := self._records.pairs(content)) is not None:
            left_out = _NOT_GENERATORS if snapshot else ()
            self._add_each("", (pair for pair in pairs if pair[0] not in left_out), 0)
        elif bare or self._holds_networks(content):
            self.add("", content)
        elif self._tensors.tensor(content) is not None:
            raise RefusedError("it holds a tensor, not a dictionary of weights")
        else:
            self._refuse_calls(content)
            raise RefusedError(f"it holds {describe(content)}, not a dictionary of weights")
        return "pickle"

    def _holds_networks(self, content: Any) -> bool:
        """Tell whether a file holds a list of dictionaries or networks, as of `torch.save([netG, netD])`."""
        return isinstance(content, list | tuple) and any(
            self._records.is_module(one) or self._records.pairs(one) is not None for one in content
        )

    def add(self, key: str, value: Any, depth: int = 0) -> None:
        """Add a tensor, a plain value, or what is inside a dictionary, list, network or object.

        Args:
            key: The key to add it under.
            value: Anything from a file.
            depth: How deeply it is nested.

        Raises:
            BrokenError: If a record is damaged.
            RefusedError: If the file asks for what zoo does not do, or costs too much.
        """
        try:
            with self._entered(key, value):
                self._add(key, value, depth)
        except UnreadError as error:
            self.unread[key] = str(error)

    @contextmanager
    def _entered(self, key: str, value: Any) -> Iterator[None]:
        """Raise `UnreadError` for a value inside itself, such as an object that refers to what holds it."""
        if id(value) in self._inside:
            raise UnreadError(f"{key[:80]} is nested too deeply: it holds itself")
        is_container = isinstance(value, list | tuple | Record)
        if is_container:
            self._inside.add(id(value))
        try:
            yield
        finally:
            if is_container:
                self._inside.remove(id(value))

    def _add(self, key: str, value: Any, depth: int) -> None:
        self._limits.charge_value(key, depth)
        if isinstance(value, str | int | float | bool | None):
            self.meta[key] = value
        elif isinstance(value, list | tuple):
            self._add_each(key, enumerate(value), depth)
        elif is_scalar(value):
            self._add_plain_values(key, value, depth)
        elif (tensor := self._read_tensor(key, self._tensors.tensor, value)) is not None:
            self._add_tensor(key, tensor)
        elif (pairs := self._records.pairs(value)) is not None:
            self._add_each(key, pairs, depth)
        elif self._records.is_module(value):
            self._add_module(key, value, depth)
        elif self._records.is_tensorflow(value):
            self._add_tensorflow(key, f"{key}.", value, depth)
        else:
            self._refuse_calls(value)
            self._add_plain_values(key, value, depth)

    def _add_each(self, key: str, pairs: Iterable[tuple[Any, Any]], depth: int) -> None:
        pairs = list(pairs)
        if len(pairs) > _MOST_VALUES and all(self._is_plain(value) for _, value in pairs):
            self.unread[key] = f"{key[:80]} is a log of {len(pairs):,} values"
            return
        for name, value in pairs:
            if isinstance(name, str | int | float | bool | None):  # no weight has another name
                self.add(_join(key, name), value, depth + 1)
            else:
                self._limits.charge_value(key, depth)
                self._refuse_calls(name)

    def _is_plain(self, value: Any, depth: int = _LOG_DEPTH) -> bool:
        """Tell whether a value is a number, a text or the like, or a list or dictionary of nothing else."""
        self._limits.charge_entries(1)
        if isinstance(value, str | int | float | bool | None) or is_scalar(value):
            return True
        parts = value if isinstance(value, list | tuple) else self._records.pairs(value) if depth else None
        if parts is None or not depth:
            return False
        values = parts if parts is value else [part for _, part in parts]
        return all(self._is_plain(part, depth - 1) for part in values)

    def _read_tensor(self, key: str, read: Callable[[Any], Tensor | None], value: Any) -> Tensor | None:
        """Read a tensor; the message of a refusal names its key."""
        try:
            return read(value)
        except RefusedError as error:
            raise type(error)(f"tensor {key[:80]}: {error}") from None

    def _required_tensor(self, key: str, read: Callable[[Any], Tensor | None], value: Any) -> Tensor:
        """Read a tensor; refuse anything else."""
        tensor = self._read_tensor(key, read, value)
        if tensor is None:
            self._refuse_calls(value)
            raise RefusedError(f"it has {describe(value)} for the tensor {key[:80]}")
        return tensor

    def _add_tensor(self, key: str, tensor: Tensor) -> None:
        if key in self.state:
            raise RefusedError(f"two tensors are called {key[:80]}")
        if len(self.state) >= MAX_TENSORS:
            raise RefusedError(f"it holds more than {MAX_TENSORS:,} tensors")
        self._limits.charge_bytes(tensor.nbytes)  # for each key again: later steps may copy it
        self.state[key] = tensor

    def _add_module(self, key: str, record: Record, depth: int) -> None:
        """Add a module as its own `state_dict` would: parameters, persistent buffers, modules; then its attributes."""
        class_name, state = self._records.module(record)
        self.meta[_join(key, "_class")] = class_name
        not_persistent = set(self._records.names(state.get("_non_persistent_buffers_set")))
        for name, value in [*self._records.members(state, "_parameters"), *self._records.members(state, "_buffers")]:
            tensor = self._required_tensor(_join(key, name), self._tensors.tensor, value)
            if name not in not_persistent:
                self._add_tensor(_join(key, name), tensor)
        for name, value in self._records.members(state, "_modules"):
            if not self._records.is_module(value):
                self._refuse_calls(value)
                raise RefusedError(f"it has {describe(value)} for the module {_join(key, name)[:80]}")
            self.add(_join(key, name), value, depth + 1)
        for name, value in state.items():
            if name not in _MODULE_PARTS:
                self._add_attribute(_join(key, name), value, depth + 1)

    def _add_tensorflow(self, key: str, prefix: str, record: Record, depth: int) -> None:
        """Add a network's variables under `prefix`, and the other parts of its state under `key`."""
        self._limits.charge_value(prefix, depth)
        network = self._records.tensorflow(record)
        self.meta[_join(key, "_class")] = record.path
        for name, value in network.variables:
            self._limits.charge_value(prefix + name, depth)
            self._add_tensor(prefix + name, self._required_tensor(prefix + name, self._tensors.numpy_array, value))
        for name, part in network.components:
            if not self._records.is_tensorflow(part):
                raise RefusedError(f"it has {describe(part)} for the component {name[:80]}")
            self._add_tensorflow(_join(_join(key, "components"), name), f"{prefix}{name}/", part, depth + 1)
        for name, value in network.state.items():
            self._add_attribute(_join(key, name), value, depth + 1)

    def _add_attribute(self, key: str, value: Any, depth: int) -> None:
        """Add the plain values of an attribute; anything else, such as a large array or a call, is left out."""
        try:
            with self._entered(key, value):
                self._limits.charge_value(key, depth)
                self._add_plain_values(key, value, depth)
        except UnreadError:
            return

    def _add_plain_values(self, key: str, value: Any, depth: int) -> None:
        if isinstance(value, str | int | float | bool | None):
            self.meta[key] = value
        elif (dtype := dtype_of(value)) is not None:
            self.meta[key] = str(dtype)
        elif (array := self._small_array(value)) is not None:
            self._add_attribute(key, array.tolist(), depth)
        else:
            for name, item in self._records.attributes(value):
                self._add_attribute(_join(key, name), item, depth + 1)

    def _small_array(self, value: Any) -> Tensor | None:
        try:
            array = self._tensors.numpy_array(value)
        except RefusedError:
            return None
        return array if array is not None and array.numel() <= _MAX_PLAIN_ELEMENTS else None

    def _refuse_calls(self, value: Any) -> None:
        """Raise `RefusedError` for what stands for a tensor that zoo does not read, or for a call."""
        if isinstance(value, PersistentId):
            raise UnreadError("it refers to something outside of the pickle that is not a tensor")
        if isinstance(value, Record) and value.path.startswith(("torch._utils._rebuild_", "torch._tensor._rebuild_")):
            raise UnreadError(f"it has a tensor of a kind that zoo does not read ({value.path})")
        if not is_harmless(value):
            raise RefusedError(f"it asks for {value.path}, and zoo reads tensors and plain values only")


def _join(key: str, name: Any) -> str:
    return f"{key}.{name_of(name)}" if key else name_of(name)
