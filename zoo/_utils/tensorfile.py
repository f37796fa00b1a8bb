"""Files of tensors with JSON metadata, and arrays of numpy: written atomically, read without trusting them.

The metadata is one JSON object, under the key ``card`` of a safetensors file's header.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from zoo._utils.files import atomic_file
from zoo._utils.untrusted.opening import open_regular
from zoo._utils.untrusted.unpacking import BombError, DirectoryReader, most_unpacked

# The dtypes that codes, directions and weights may have.
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

# Bytes of the header of a safetensors file, which names 20,000 tensors in a fifth of this, and of the metadata in it:
# JSON becomes up to thirty times as large when it is parsed.
_MOST_HEADER = 2**24
_MOST_METADATA = 2**22

# What numpy, safetensors and json raise on files that are broken or hostile.
_READ_ERRORS = (
    OSError,
    SafetensorError,
    ValueError,
    TypeError,
    EOFError,
    OverflowError,
    MemoryError,
    RecursionError,
    SyntaxError,
    TokenError,
)


class UnreadableError(ValueError):
    """A file could not be read; the message says why in a few words, and does not name the file."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Write a safetensors file, completely or not at all.

    Args:
        path: The file.
        tensors: By name.
        metadata: What JSON can hold, without NaN and infinities.

    Raises:
        OutputError: If the operating system refuses.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = save(plain, metadata={"card": json.dumps(metadata, allow_nan=False)})
    with atomic_file(path) as partial:
        partial.write_bytes(content)


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an ``.npy`` file, completely or not at all.

    Args:
        path: The file.
        array: Numbers.

    Raises:
        OutputError: If the operating system refuses.
    """
    with atomic_file(path) as partial, partial.open("wb") as file:
        np.save(file, array, allow_pickle=False)


@contextmanager
def open_tensors(path: Path) -> Iterator[Any]:
    """Open a safetensors file, once its head is known to be one.

    Args:
        path: The file.

    Yields:
        The file as `safetensors.safe_open` gives it.

    Raises:
        UnreadableError: If it is no safetensors file, or its header is longer than any network's.
        OSError: If it is missing, or no regular file.
        SafetensorError: If the library finds it broken.
    """
    with open_regular(path) as file:
        head = file.read(9)
        length = int.from_bytes(head[:8], "little")
        if head[8:] != b"{" or not 2 <= length <= os.fstat(file.fileno()).st_size - 8:
            raise UnreadableError("it is no safetensors file, or it is cut off")
    if length > _MOST_HEADER:
        raise UnreadableError(f"its header has {length:,} bytes, more than the {_MOST_HEADER:,} of any network's")
    with safe_open(path, framework="pt") as tensors:
        yield tensors


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a safetensors file.

    Args:
        path: The file.

    Returns:
        The tensors by name, each a copy with storage of its own, and the metadata, {} if there is none.

    Raises:
        UnreadableError: If the file is missing, broken or not safetensors, or if its metadata is not a JSON object.
    """
    try:
        with open_tensors(path) as file:
            metadata = _metadata_of(file)
            tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118 - no mapping
    except _READ_ERRORS as error:
        raise UnreadableError(_cause(error)) from None
    return tensors, metadata


def read_tensor_metadata(path: Path) -> tuple[dict[str, tuple[int, ...]], dict[str, Any]]:
    """Read what a safetensors file says of itself, but no tensor.

    Args:
        path: The file.

    Returns:
        The shapes of the tensors by name, and the metadata, {} if there is none.

    Raises:
        UnreadableError: See `read_tensors`.
    """
    try:
        with open_tensors(path) as file:
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118 - no mapping
            return shapes, _metadata_of(file)
    except _READ_ERRORS as error:
        raise UnreadableError(_cause(error)) from None


def _metadata_of(file: Any) -> dict[str, Any]:
    """Parse the metadata of an open file."""
    text = (file.metadata() or {}).get("card", "{}")
    if len(text) > _MOST_METADATA:
        raise UnreadableError(f"its metadata has more than {_MOST_METADATA:,} characters")
    metadata = json.loads(text)
    if not isinstance(metadata, dict):
        raise UnreadableError("its metadata is not a JSON object")
    return metadata


def read_numpy(path: Path) -> dict[str, Tensor]:
    """Read the arrays of an ``.npy`` or ``.npz`` file; pickled objects are never loaded.

    Args:
        path: The file.

    Returns:
        The arrays of integers or of floating point numbers of at most 64 bits, by name; that of ``.npy`` has the name
        "". Other arrays of an ``.npz`` file are left out.

    Raises:
        UnreadableError: If there is no such array, or the file is anything else.
    """
    try:
        with DirectoryReader(path) as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.lib.npyio.NpzFile) and loaded.zip is not None:
                file.end_of_list(loaded.zip)
                _check_size(loaded.zip, path.stat().st_size)
                arrays = {name: array for name in loaded.files if (array := _member(loaded, name)) is not None}
            else:
                arrays = {"": loaded}
        tensors = {name: _to_tensor(array) for name, array in arrays.items() if _is_numeric(array)}
    except (*_READ_ERRORS, zlib.error, zipfile.BadZipFile, RuntimeError) as error:  # as for an encrypted member
        if "allow_pickle" in str(error):
            raise UnreadableError(
                "it holds Python objects, such as a dictionary, instead of numbers: save its arrays with numpy.savez"
            ) from None
        raise UnreadableError(_cause(error)) from None
    if not tensors:
        raise UnreadableError("it holds no array of floating point numbers of at most 64 bits")
    return tensors


def _check_size(archive: zipfile.ZipFile, size: int) -> None:
    """Refuse an archive that claims very much, before anything is unpacked."""
    if sum(member.file_size for member in archive.infolist()) > most_unpacked(size):
        raise ValueError(str(BombError()))


def _member(archive: np.lib.npyio.NpzFile, name: str) -> NDArray[Any] | None:
    """Read one array of an archive; None for one of pickled objects."""
    try:
        array: NDArray[Any] = archive[name]
    except ValueError as error:
        if "allow_pickle" in str(error):
            return None
        raise
    return array


def _is_numeric(array: object) -> bool:
    return isinstance(array, np.ndarray) and array.dtype.kind in "fiu" and array.dtype.itemsize <= 8


def _to_tensor(array: NDArray[Any]) -> Tensor:
    """Copy an array, in native byte order as torch requires; unsigned integers become floating point numbers."""
    dtype = np.dtype(np.float64) if array.dtype.kind == "u" else array.dtype.newbyteorder("=")
    return torch.from_numpy(np.ascontiguousarray(array, dtype).reshape(array.shape))


def _cause(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
