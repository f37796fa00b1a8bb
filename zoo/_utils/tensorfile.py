"""Files of tensors with a JSON card, and bare ``.npy`` arrays: written whole, read without trust.

A card is the value ``card`` of a safetensors file's metadata, one JSON object.
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
from safetensors.torch import save as to_bytes
from torch import Tensor

from zoo._utils.files import atomic_file

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""The types of numbers that codes, directions and weights may have."""

_BROKEN = (
    *(OSError, SafetensorError, ValueError, TypeError, EOFError, OverflowError, MemoryError, RecursionError),
    *(SyntaxError, TokenError),
)
"""What numpy, safetensors and json raise on files that are broken or hostile."""


class UnreadableError(ValueError):
    """A file could not be read; the message says why in a few words, and does not name the file."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], card: Mapping[str, Any]) -> None:
    """Write tensors and their card, whole or not at all. Raises `OutputError`."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = to_bytes(plain, metadata={"card": json.dumps(card, allow_nan=False)})
    with atomic_file(path) as partial:
        partial.write_bytes(content)


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an ``.npy`` file, whole or not at all. Raises `OutputError`."""
    with atomic_file(path) as partial, partial.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read every tensor of a file, each a copy of its own, and the card, {} where there is none.

    Raises `UnreadableError` for a file that is missing, broken or no safetensors, or whose card is no JSON object.
    """
    try:
        with safe_open(path, framework="pt") as file:
            card = json.loads((file.metadata() or {}).get("card", "{}"))
            tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118 - no mapping
    except _BROKEN as error:
        raise UnreadableError(_cause(error)) from None
    if not isinstance(card, dict):
        raise UnreadableError("its card is not a JSON object")
    return tensors, card


def read_array(path: Path) -> NDArray[Any]:
    """Read an ``.npy`` array of ordinary floating point numbers or integers; pickled objects are never loaded.

    Raises `UnreadableError` for anything else.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except _BROKEN as error:
        raise UnreadableError(_cause(error)) from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or array.dtype.itemsize > 8:
        raise UnreadableError("it holds no array of floating point numbers of at most 64 bits")
    return array


def _cause(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
