"""Tensors from records: each is a dense copy of its own, and none is larger than the bytes behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.checkpoints.unpickle.limits import BrokenError, Limits, RefusedError
from zoo.checkpoints.unpickle.records import Global, Persistent, Record

_MOST_AXES = 16
_ENDLESS = 2**48
_NO_SHAPE = "its shape is no shape"
_STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
    "UntypedStorage": torch.uint8,
}
_NUMBERS = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1"}
_NUMPY = ("numpy.core.", "numpy._core.")
_REBUILT = {"torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"}
_PARAMETER = {"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"}
DTYPES = {
    f"torch.{name}": getattr(torch, name)
    for name in ("float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool")
}
"""The types of torch that a file may name."""


@dataclass(frozen=True, eq=False)
class Storage:
    """The bytes that tensors lie on, and what numbers they are."""

    content: memoryview
    dtype: torch.dtype


class Arrays:
    """Reads the tensors and numpy arrays of one file.

    `outside` finds the storage that a persistent reference means; `nested` reads one that was kept as a file in the
    file. Tensors that share their numbers share them still.
    """

    def __init__(
        self, bounds: Limits, outside: Callable[[Any], Storage], nested: Callable[[memoryview], Storage]
    ) -> None:
        self._bounds, self._outside, self._nested = bounds, outside, nested
        self._storages: dict[int, tuple[Any, Storage]] = {}
        self._copies: dict[str, Tensor] = {}

    def tensor(self, value: Any) -> Tensor | None:
        """Read a tensor, a parameter or a numpy array or scalar; None for anything else.

        Raises `RefusedError` for one of another kind of numbers, or that claims more than lies behind it.
        """
        if isinstance(value, Record) and value.path in _PARAMETER and value.args:
            value = value.args[0]
        if isinstance(value, Record) and value.path in _REBUILT and len(value.args) >= 4:
            return self._torch(*value.args[:4])
        return self.numpy(value)

    def numpy(self, value: Any) -> Tensor | None:
        """Read a numpy array or scalar, as a tensor; None for anything else."""
        if not isinstance(value, Record) or not value.called or not value.path.startswith(_NUMPY):
            return None
        function, args = value.path.partition("core.")[2], value.args
        if function == "multiarray._reconstruct" and value.states:
            state = value.states[-1]
            if not isinstance(state, tuple) or len(state) not in {4, 5}:
                raise BrokenError("the state of an array cannot be read")
            shape, dtype, in_columns, content = state[-4:]
            return self._array(content, dtype, shape, in_columns=bool(in_columns))
        if function == "numeric._frombuffer" and len(args) == 4:
            return self._array(args[0], args[1], args[2], in_columns=args[3] == "F")
        if function == "multiarray.scalar" and len(args) == 2:
            return self._array(args[1], args[0], (), in_columns=False)
        return None

    def _torch(self, storage_record: Any, offset: Any, size: Any, stride: Any) -> Tensor:
        """Copy a tensor out of its storage: `size` numbers per axis, `stride` apart, from `offset` on."""
        size, stride, (offset,) = _shape(size), _sizes(stride), _sizes((offset,))
        if len(size) != len(stride):
            raise BrokenError("it has more sizes than strides, or fewer")
        storage = self._storage(storage_record)
        width = storage.dtype.itemsize
        extent = 1 + sum((count - 1) * step for count, step in zip(size, stride, strict=True)) if prod(size) else 0
        if (offset + extent) * width > len(storage.content) or prod(size) * width > len(storage.content):
            raise RefusedError("it claims more numbers than the file holds")
        view = f"{id(storage)} {offset} {size} {stride}"  # a file can choose numbers whose hashes collide
        if view not in self._copies:
            self._bounds.charge_bytes(max(extent, prod(size)) * width)
            content = storage.content[offset * width : (offset + extent) * width]
            self._copies[view] = _numbers(content, storage.dtype).as_strided(size, stride).contiguous()
        return self._copies[view]

    def _array(self, content: Any, dtype: Any, shape: Any, *, in_columns: bool) -> Tensor:
        kind, shape = _numpy_dtype(dtype), _shape(shape)
        content = self._bytes(content)
        if len(content) != prod(shape) * kind.itemsize:
            raise RefusedError(
                f"it holds {len(content):,} bytes for {prod(shape):,} numbers of {kind.itemsize} bytes each"
            )
        self._bounds.charge_bytes(len(content))
        values = np.frombuffer(content, "u1" if kind == np.bool_ else kind)
        values = values.reshape(shape, order="F" if in_columns else "C")
        return torch.from_numpy(values.astype(kind.newbyteorder("="), order="C", copy=True))

    def _storage(self, value: Any) -> Storage:
        """Find a storage; what was found is kept together with its record, whose identity stands for it."""
        if id(value) in self._storages:
            return self._storages[id(value)][1]
        if isinstance(value, Persistent):
            storage = self._outside(value.pid)
        elif isinstance(value, Record) and value.path == "torch.storage._load_from_bytes" and len(value.args) == 1:
            storage = self._nested(self._bytes(value.args[0]))
        else:
            raise RefusedError(f"it lies on what is no storage ({getattr(value, 'path', 'no storage')})")
        self._storages[id(value)] = value, storage
        return storage

    def _bytes(self, value: Any) -> memoryview:
        """Take bytes as the protocols write them: a view of the file, or text in latin1, of which that is a copy."""
        if isinstance(value, Record) and value.path == "_codecs.encode" and len(value.args) == 2:
            value = value.args[0] if value.args[1] in ("latin1", "latin-1") else value
        if isinstance(value, Record) and value.path in {"builtins.bytes", "__builtin__.bytes"} and not value.args:
            value = ""
        if isinstance(value, str):
            self._bounds.charge_bytes(len(value))
            try:
                return memoryview(value.encode("latin1"))
            except UnicodeEncodeError:
                raise BrokenError("bytes that were kept as text hold signs that are no bytes") from None
        if not isinstance(value, memoryview):
            raise RefusedError(
                f"it has {getattr(value, 'path', type(value).__name__)} where the bytes of an array belong"
            )
        return value


def is_scalar(value: Any) -> bool:
    """Say whether a value is a numpy scalar."""
    return isinstance(value, Record) and value.path in {f"{module}multiarray.scalar" for module in _NUMPY}


def dtype_of(value: Any) -> torch.dtype | None:
    """The type of torch that a global names, if it does."""
    return DTYPES.get(value.path) if isinstance(value, Global) else None


def storage_dtype(value: Any) -> torch.dtype:
    """Tell the numbers of a storage by its class. Raises `RefusedError` for one that zoo does not read."""
    module, _, name = value.path.rpartition(".") if isinstance(value, Global) else ("", "", "")
    if module not in {"torch", "torch.storage", "torch.cuda"} or name not in _STORAGES:
        raise RefusedError(f"its storage is of the kind {getattr(value, 'path', type(value).__name__)}")
    return _STORAGES[name]


def _numbers(content: memoryview, dtype: torch.dtype) -> Tensor:
    """Copy bytes into a flat tensor; a truth value that is neither 0 nor 1 is true."""
    flat = torch.empty(len(content), dtype=torch.uint8)
    flat.numpy()[:] = np.frombuffer(content, np.uint8)
    return flat != 0 if dtype == torch.bool else flat.view(dtype)


def _sizes(value: Any) -> tuple[int, ...]:
    """Take a shape, strides or the like: a few whole numbers, none below zero."""
    if isinstance(value, Record) and value.path == "torch.Size" and len(value.args) == 1:
        value = value.args[0]
    if not isinstance(value, tuple | list) or len(value) > _MOST_AXES:
        raise RefusedError(_NO_SHAPE)
    if not all(type(count) is int and 0 <= count < _ENDLESS for count in value):
        raise RefusedError(_NO_SHAPE)
    return tuple(value)


def _shape(value: Any) -> tuple[int, ...]:
    """Take a shape whose numbers could be counted even if no axis were empty: the libraries multiply them."""
    shape = _sizes(value)
    if prod(max(count, 1) for count in shape) >= _ENDLESS:
        raise RefusedError(_NO_SHAPE)
    return shape


def _numpy_dtype(value: Any) -> np.dtype[Any]:
    """Read a numpy dtype: plain numbers, in either byte order. Raises `RefusedError` for objects and structures."""
    code = value.args[0] if isinstance(value, Record) and value.path == "numpy.dtype" and value.args else None
    if not isinstance(code, str) or code not in _NUMBERS:
        raise RefusedError(f"its elements are not plain numbers ({str(code)[:20]!r})")
    state = value.states[-1] if value.states else None
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else ""
    return np.dtype(code).newbyteorder(">" if order == ">" else "<")
