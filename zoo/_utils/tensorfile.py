"""Files of tensors with JSON metadata, and arrays of numpy: written atomically, read without trusting them.

The metadata is one JSON object, under the key ``card`` of a safetensors file's header.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
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

# The dtypes that codes, directions and weights may have.
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

# Bytes of all arrays of one ``.npz`` file; codes and directions take far less.
_MOST_BYTES = 2**30

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
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get("card", "{}"))
            tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118 - no mapping
    except _READ_ERRORS as error:
        raise UnreadableError(_cause(error)) from None
    if not isinstance(metadata, dict):
        raise UnreadableError("its metadata is not a JSON object")
    return tensors, metadata


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
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            with loaded:
                _check_size(loaded)
                arrays = {name: array for name in loaded.files if (array := _member(loaded, name)) is not None}
        else:
            arrays = {"": loaded}
        tensors = {name: _to_tensor(array) for name, array in arrays.items() if _is_numeric(array)}
    except (*_READ_ERRORS, zlib.error, zipfile.BadZipFile, NotImplementedError) as error:
        raise UnreadableError(_cause(error)) from None
    if not tensors:
        raise UnreadableError("it holds no array of floating point numbers of at most 64 bits")
    return tensors


def _check_size(archive: np.lib.npyio.NpzFile) -> None:
    """Refuse an archive that claims very much, before anything is unpacked."""
    if archive.zip and sum(member.file_size for member in archive.zip.infolist()) > _MOST_BYTES:
        raise ValueError("it is an archive of more than a GiB of numbers")


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
