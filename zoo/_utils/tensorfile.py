"""Files of tensors with JSON metadata, and bare ``.npy`` arrays: written atomically, read without trusting them.

The metadata is one JSON object, under the key ``card`` of a safetensors file's header.
"""

from __future__ import annotations

import json
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


def read_array(path: Path) -> NDArray[Any]:
    """Read an ``.npy`` array; pickled objects are never loaded.

    Args:
        path: The file.

    Returns:
        The array, of integers or of floating point numbers of at most 64 bits.

    Raises:
        UnreadableError: If the file is anything else.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except _READ_ERRORS as error:
        raise UnreadableError(_cause(error)) from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or array.dtype.itemsize > 8:
        raise UnreadableError("it holds no array of floating point numbers of at most 64 bits")
    return array


def _cause(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
