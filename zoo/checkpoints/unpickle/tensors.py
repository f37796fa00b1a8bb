"""Tensors from records: each is a dense copy of its own, and none is larger than the bytes that it is made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from zoo.checkpoints.unpickle.limits import BrokenError, Limits, RefusedError, UnreadError
from zoo.checkpoints.unpickle.records import Global, PersistentId, Record, describe

_MAX_AXES = 16
# No size, stride, or product of sizes may reach this, so that no multiplication in torch or numpy overflows.
_MAX_PRODUCT = 2**48
_NOT_A_SHAPE = "its shape is not a tuple of plausible sizes"

_STORAGE_DTYPES = {
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

# The dtypes of torch that a file may name.
_TORCH_DTYPES = {
    f"torch.{name}": getattr(torch, name)
    for name in ("float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool")
}

_NUMPY_DTYPES = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1"}
_NUMPY_MODULES = ("numpy.core.", "numpy._core.")
_REBUILD_TENSOR = {"torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"}
_REBUILD_PARAMETER = {"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"}
# A tensor with attributes, such as an `nn.Buffer`: (function, class, the function's arguments, the attributes).
_REBUILD_WITH_ATTRIBUTES = "torch._tensor._rebuild_from_type_v2"
_TENSOR_CLASSES = {"torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer"}


@dataclass(frozen=True, eq=False)
class Storage:
    """The numbers that tensors are views of.

    Attributes:
        content: Their bytes.
        dtype: What numbers they are.
    """

    content: memoryview
    dtype: torch.dtype


class TensorReader:
    """Reads the tensors and numpy arrays of one file. Tensors that share their numbers in the file share them here too.

    Args:
        limits: What the file may still cost.
        find_storage: Finds the storage that a persistent id means.
        nested_storage: Reads a storage that is a file inside the file.
    """

    def __init__(
        self,
        limits: Limits,
        find_storage: Callable[[Any], Storage],
        nested_storage: Callable[[memoryview], Storage],
    ) -> None:
        self._limits = limits
        self._find_storage = find_storage
        self._nested_storage = nested_storage
        self._storages: dict[int, tuple[Any, Storage]] = {}
        self._copies: dict[str, Tensor] = {}

    def tensor(self, value: Any) -> Tensor | None:
        """Read a tensor, a parameter, or a numpy array or scalar.

        Args:
            value: Anything from a file.

        Returns:
            The tensor, on the CPU; None for anything else.

        Raises:
            BrokenError: If its record is damaged.
            RefusedError: For numbers of a kind that zoo does not read, or more of them than there are bytes for.
        """
        value = _without_attributes(value)
        if isinstance(value, Record) and value.path in _REBUILD_PARAMETER and value.args:
            value = _without_attributes(value.args[0])
        if isinstance(value, Record) and value.path in _REBUILD_TENSOR and len(value.args) >= 4:
            return self._torch_tensor(*value.args[:4])
        return self.numpy_array(value)

    def numpy_array(self, value: Any) -> Tensor | None:
        """Read a numpy array or scalar.

        Args:
            value: Anything from a file.

        Returns:
            A tensor, on the CPU; None for anything else.

        Raises:
            BrokenError: If its record is damaged.
            RefusedError: See `tensor`.
        """
        if not isinstance(value, Record) or not value.called or not value.path.startswith(_NUMPY_MODULES):
            return None
        function = value.path.partition("core.")[2]
        args = value.args
        if function == "multiarray._reconstruct" and value.states:
            state = value.states[-1]
            if not isinstance(state, tuple) or len(state) not in {4, 5}:
                raise BrokenError("the state of an array cannot be read")
            shape, dtype, is_fortran, content = state[-4:]
            return self._numpy(content, dtype, shape, order="F" if is_fortran else "C")
        if function == "numeric._frombuffer" and len(args) == 4:
            return self._numpy(args[0], args[1], args[2], order="F" if args[3] == "F" else "C")
        if function == "multiarray.scalar" and len(args) == 2:
            return self._numpy(args[1], args[0], (), order="C")
        return None

    def _torch_tensor(self, storage_record: Any, offset: Any, size: Any, stride: Any) -> Tensor:
        """Copy a tensor out of its storage: `size` numbers along each axis, `stride` apart, from `offset` on."""
        size = _shape(size)
        stride = _sizes(stride)
        (offset,) = _sizes((offset,))
        if len(size) != len(stride):
            raise BrokenError("it has more sizes than strides, or fewer")
        storage = self._storage(storage_record)
        width = storage.dtype.itemsize
        # The last number lies at offset + sum((size_i - 1) stride_i). A stride of 0, as an expanded tensor has it, lets
        # few bytes become many: these are charged to the limits.
        extent = 1 + sum((count - 1) * step for count, step in zip(size, stride, strict=True)) if prod(size) else 0
        if (offset + extent) * width > len(storage.content):
            raise RefusedError("it claims more numbers than the file holds")
        view = f"{id(storage)} {offset} {size} {stride}"  # as text: a file could choose integers whose hashes collide
        if view not in self._copies:
            self._limits.charge_bytes(max(extent, prod(size)) * width)
            content = storage.content[offset * width : (offset + extent) * width]
            self._copies[view] = _numbers(content, storage.dtype).as_strided(size, stride).contiguous()
        return self._copies[view]

    def _numpy(self, content: Any, dtype: Any, shape: Any, *, order: Literal["C", "F"]) -> Tensor:
        """Copy a numpy array out of its bytes."""
        numpy_dtype = _numpy_dtype(dtype)
        shape = _shape(shape)
        content = self._bytes(content)
        if len(content) != prod(shape) * numpy_dtype.itemsize:
            raise RefusedError(
                f"it holds {len(content):,} bytes for {prod(shape):,} numbers of {numpy_dtype.itemsize} bytes each"
            )
        self._limits.charge_bytes(len(content))
        # A byte that is neither 0 nor 1 is not a valid bool: it is read as a number, and then converted.
        values = np.frombuffer(content, "u1" if numpy_dtype == np.bool_ else numpy_dtype).reshape(shape, order=order)
        return torch.from_numpy(values.astype(numpy_dtype.newbyteorder("="), order="C", copy=True))

    def _storage(self, value: Any) -> Storage:
        """Find a storage, once for each record that stands for it."""
        # The record is kept beside its storage, so that no other object gets the same id.
        if id(value) in self._storages:
            return self._storages[id(value)][1]
        if isinstance(value, PersistentId):
            storage = self._find_storage(value.pid)
        elif isinstance(value, Record) and value.path == "torch.storage._load_from_bytes" and len(value.args) == 1:
            storage = self._nested_storage(self._bytes(value.args[0]))
        else:
            raise RefusedError(f"it lies on something that is not a storage ({describe(value)})")
        self._storages[id(value)] = value, storage
        return storage

    def _bytes(self, value: Any) -> memoryview:
        """Take bytes as the protocols write them: a view of the file (3 and later), or a call that encodes text (2)."""
        if isinstance(value, Record) and value.path == "_codecs.encode" and len(value.args) == 2:
            value = value.args[0] if value.args[1] in ("latin1", "latin-1") else value
        if isinstance(value, Record) and value.path in {"builtins.bytes", "__builtin__.bytes"} and not value.args:
            value = ""
        if isinstance(value, str):
            self._limits.charge_bytes(len(value))
            try:
                return memoryview(value.encode("latin1"))
            except UnicodeEncodeError:
                raise BrokenError("bytes that were written as text hold characters that are not bytes") from None
        if not isinstance(value, memoryview):
            raise RefusedError(f"it has {describe(value)} where the bytes of an array belong")
        return value


def _without_attributes(value: Any) -> Any:
    """Return the record of a tensor that has attributes without them; anything else as it is."""
    if not isinstance(value, Record) or value.path != _REBUILD_WITH_ATTRIBUTES or len(value.args) != 4:
        return value
    function, tensor_class, args, _ = value.args
    known = isinstance(tensor_class, Global) and tensor_class.path in _TENSOR_CLASSES
    if not known or not isinstance(function, Global) or not isinstance(args, tuple):
        return value
    return Record(function.path, args, called=True)


def is_scalar(value: Any) -> bool:
    """Say whether a value is a numpy scalar.

    Args:
        value: Anything from a file.
    """
    return isinstance(value, Record) and value.path in {f"{module}multiarray.scalar" for module in _NUMPY_MODULES}


def dtype_of(value: Any) -> torch.dtype | None:
    """Return the dtype of torch that a global names.

    Args:
        value: Anything from a file.

    Returns:
        The dtype; None for anything else.
    """
    return _TORCH_DTYPES.get(value.path) if isinstance(value, Global) else None


def storage_dtype(storage_class: Any) -> torch.dtype:
    """Tell what numbers a storage holds, by its class.

    Args:
        storage_class: The global that stands for the class in a persistent id.

    Returns:
        The dtype; bytes for an untyped storage.

    Raises:
        RefusedError: For a class that zoo does not read.
    """
    path = storage_class.path if isinstance(storage_class, Global) else ""
    module, _, name = path.rpartition(".")
    if module not in {"torch", "torch.storage", "torch.cuda"} or name not in _STORAGE_DTYPES:
        raise UnreadError(f"its storage is of the class {path or describe(storage_class)}, which zoo does not read")
    return _STORAGE_DTYPES[name]


def _numbers(content: memoryview, dtype: torch.dtype) -> Tensor:
    """Copy bytes into a flat tensor; a bool whose byte is neither 0 nor 1 is true."""
    flat = torch.empty(len(content), dtype=torch.uint8)
    flat.numpy()[:] = np.frombuffer(content, np.uint8)
    return flat != 0 if dtype == torch.bool else flat.view(dtype)


def _sizes(value: Any) -> tuple[int, ...]:
    """Take a shape, strides or the like: a few integers, none below zero."""
    if isinstance(value, Record) and value.path == "torch.Size" and len(value.args) == 1:
        value = value.args[0]
    if not isinstance(value, tuple | list) or len(value) > _MAX_AXES:
        raise RefusedError(_NOT_A_SHAPE)
    if not all(type(count) is int and 0 <= count < _MAX_PRODUCT for count in value):
        raise RefusedError(_NOT_A_SHAPE)
    return tuple(value)


def _shape(value: Any) -> tuple[int, ...]:
    """Take a shape. Its sizes must have a plausible product even without the zeros, as the libraries multiply them."""
    shape = _sizes(value)
    if prod(max(count, 1) for count in shape) >= _MAX_PRODUCT:
        raise RefusedError(_NOT_A_SHAPE)
    return shape


def _numpy_dtype(value: Any) -> np.dtype[Any]:
    """Read a numpy dtype: plain numbers, in either byte order. Objects (pointers) and structures are refused."""
    code = value.args[0] if isinstance(value, Record) and value.path == "numpy.dtype" and value.args else None
    if not isinstance(code, str) or code not in _NUMPY_DTYPES:
        raise UnreadError(f"its elements are not plain numbers ({str(code)[:20]!r})")
    state = value.states[-1] if value.states else None
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else ""
    return np.dtype(code).newbyteorder(">" if order == ">" else "<")
