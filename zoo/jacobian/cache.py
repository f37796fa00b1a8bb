"""The cache of Jacobians on disk: finished ones are reused, and an interrupted computation is resumed.

Each code of each request has a folder of its own, named by a digest of everything that the bits of its Jacobian depend
on, so that an answer from the cache equals a computed one::

    <cache>/jacobians/<digest>/columns-00000-00032.safetensors    columns 0 to 31 of J: (32, rows)
                               gram-<digest>.safetensors          Gram matrices of regions, where J itself is too large

A file is either complete or absent. One that is unreadable, or that differs from its checksum, counts as absent. The
least recently used folders are deleted when all of them together exceed the limit.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo._utils.tensorfile import UnreadableError, read_tensors, write_tensors
from zoo._utils.writing.workspaces import workspace
from zoo.jacobian.cache_folder import COLUMNS_NAME, DEFAULT_LIMIT, evict, jacobian_folder
from zoo.jacobian.checksums import KEY, checksum, is_intact
from zoo.jacobian.stored_columns import StoredColumns

# What safetensors calls the dtypes that are cached.
_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
}


@dataclass(frozen=True)
class JacobianCache:
    """The cached Jacobians of one network.

    Attributes:
        folder: The folder of the cache.
        network_key: A digest of the network and of everything else that its outputs depend on.
        limit: Bytes that the cache may take.
        columns_limit: Bytes of the largest Jacobian whose columns are kept; of a larger one only Gram matrices are.
    """

    folder: Path
    network_key: str
    limit: int = DEFAULT_LIMIT
    columns_limit: int = 160 * 10**6

    def entry(self, request: Mapping[str, Any]) -> CacheEntry:
        """Return the entry of one code.

        Args:
            request: Everything besides the network that the Jacobian depends on, as JSON values.

        Returns:
            The entry, which need not exist on disk.
        """
        text = json.dumps({"network": self.network_key, **request}, sort_keys=True)
        return CacheEntry(self.folder / hashlib.sha256(text.encode()).hexdigest()[:40])

    def evict(self) -> None:
        """Delete the least recently used entries until the others fit into the limit."""
        evict(self.folder, self.limit)


@dataclass(frozen=True)
class CacheEntry:
    """Everything that is cached in one folder.

    Attributes:
        folder: The folder, which need not exist.
    """

    folder: Path

    def columns(self) -> list[StoredColumns]:
        """List the files of columns that follow each other without a gap.

        Returns:
            The files in order, from column 0 on.
        """
        files: dict[int, list[StoredColumns]] = {}
        with contextlib.suppress(OSError):
            for path in sorted(self.folder.iterdir()):
                if match := COLUMNS_NAME.fullmatch(path.name):
                    part = StoredColumns(int(match[1]), int(match[2]), path)
                    files.setdefault(part.start, []).append(part)
        parts: list[StoredColumns] = []
        end = 0
        while (found := next((one for one in files.get(end, ()) if one.end > end and one.chunk), None)) is not None:
            parts.append(found)
            end = found.end
        return parts

    def add_columns(self, start: int, columns: Tensor, chunk: int) -> StoredColumns:
        """Write columns of J to a file.

        Args:
            start: Index of the first column.
            columns: The columns as rows, (k, rows).
            chunk: How many tangents were computed at a time.

        Returns:
            The columns in the file.

        Raises:
            OutputError: The file cannot be written.
        """
        end = start + len(columns)
        path = self.folder / f"columns-{start:05d}-{end:05d}.safetensors"
        _write(path, {"columns": columns, "chunk": torch.tensor(chunk)})
        return StoredColumns(start, end, path)

    def drop_columns(self) -> None:
        """Delete the columns, once everything that is needed of them has been written."""
        with contextlib.suppress(OSError):
            for path in self.folder.glob("columns-*.safetensors"):
                path.unlink(missing_ok=True)

    def read(self, name: str, *keys: str) -> dict[str, Tensor] | None:
        """Read tensors that `write` wrote.

        Args:
            name: Name of the file, without its suffix.
            *keys: Names of tensors that it must hold.

        Returns:
            The tensors by name; None if the file cannot be read, is damaged or lacks one of them.
        """
        path = self.folder / f"{name}.safetensors"
        with contextlib.suppress(UnreadableError):
            tensors = read_tensors(path)[0] if is_intact(path) else {}
            return tensors if set(keys) <= set(tensors) else None
        return None

    def write(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Write tensors to a file.

        Args:
            name: Name of the file, without its suffix.
            tensors: The tensors by name.

        Raises:
            OutputError: The file cannot be written.
        """
        _write(self.folder / f"{name}.safetensors", tensors)

    def touch(self) -> None:
        """Record that the entry was used just now."""
        with contextlib.suppress(OSError):
            os.utime(self.folder)


def _write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors with their checksum."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    described = {
        name: (_DTYPES[tensor.dtype], tuple(tensor.shape), tensor.reshape(-1).view(torch.uint8).numpy().data)
        for name, tensor in plain.items()
    }
    write_tensors(path, plain, {KEY: checksum(described)})


@contextlib.contextmanager
def temporary_entry() -> Iterator[CacheEntry]:
    """Make an entry for columns that neither fit into memory nor are cached, and delete it afterwards.

    Yields:
        The entry.

    Raises:
        OutputError: No folder can be made.
    """
    with workspace(jacobian_folder() / "temporary") as folder:
        yield CacheEntry(folder)


def fingerprint(tensor: Tensor) -> str:
    """Digest a tensor.

    Args:
        tensor: Any tensor.

    Returns:
        A digest of its dtype, shape and content, in 32 hexadecimal digits.
    """
    plain = tensor.detach().cpu().contiguous()
    digest = hashlib.sha256(f"{plain.dtype} {tuple(plain.shape)}".encode())
    digest.update(plain.view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:32]
