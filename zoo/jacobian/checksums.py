"""Checksums of cached files: written with the tensors, and compared before they are used. Imports no torch.

The checksum is the SHA-256 of each tensor's name, dtype, shape and bytes, in the order of their names. It stands in the
file's metadata.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

KEY = "checksum"

_MOST_HEADER_BYTES = 2**20
_BLOCK_BYTES = 2**22
# Bytes of one number, of the dtypes that are cached, by the names that safetensors has for them.
_ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8}


def checksum(tensors: Mapping[str, tuple[str, tuple[int, ...], memoryview]]) -> str:
    """Compute the checksum of tensors that are about to be written.

    Args:
        tensors: By name, the dtype as safetensors calls it, the shape, and the bytes.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name, (dtype, shape, content) in sorted(tensors.items()):
        digest.update(_describe(name, dtype, shape))
        digest.update(content)
    return digest.hexdigest()


def is_intact(path: Path) -> bool:
    """Compare a cached file with its checksum.

    Args:
        path: The file.

    Returns:
        Whether it can be read and has the content that was written; not for a file without a checksum.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= _MOST_HEADER_BYTES:
                return False
            header = json.loads(file.read(length))
            expected = json.loads(header.pop("__metadata__")["card"])[KEY]
            digest = hashlib.sha256()
            for name, entry in sorted(header.items()):
                _update(digest, file, 8 + length, name, entry)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return False
    return bool(digest.hexdigest() == expected)


def _update(digest: Any, file: Any, data: int, name: str, entry: Mapping[str, Any]) -> None:
    """Add one tensor of a file to a digest. Raises `ValueError` if its bytes are not all there."""
    dtype, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    digest.update(_describe(name, dtype, shape))
    left = math.prod(shape) * _ITEM_BYTES[dtype]
    if left != end - start:
        raise ValueError("the offsets of a tensor do not fit its shape")
    file.seek(data + start)
    while left > 0:
        block = file.read(min(left, _BLOCK_BYTES))
        if not block:
            raise ValueError("the file is too short")
        digest.update(block)
        left -= len(block)


def _describe(name: str, dtype: str, shape: Iterable[int]) -> bytes:
    return f"{name} {dtype} {list(shape)}\n".encode()
