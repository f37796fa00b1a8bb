"""Jacobians kept on disk: what was computed once is not computed again, and an interrupted run goes on where it was.

Each code of each question has a folder, named by a digest of everything that its Jacobian depends on::

    <cache>/jacobians/<digest>/columns-00000-00032.safetensors    a stretch of columns, (32, rows)
                               tiles.safetensors, tiles-0000.…    Gram matrices per tile, where J itself is too large
                               gram-<digest>.safetensors          those of regions that were asked for, then

Every file is whole or absent, and what cannot be read is as good as absent. The least recently used folders go first
when all of them together outgrow the limit.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from zoo._utils.paths import cache_folder
from zoo._utils.sizes import parse_size
from zoo._utils.tensorfile import UnreadableError, read_tensors, write_tensors
from zoo._utils.workspaces import output_error, workspace

LIMIT = 4 * 10**9
"""Bytes that all kept Jacobians may take together, unless ``ZOO_JACOBIANS`` says otherwise."""

_COLUMNS = re.compile(r"columns-(\d{5,7})-(\d{5,7})\.safetensors")


@dataclass(frozen=True)
class JacobianCache:
    """The kept Jacobians of one network: `identity` is all that the network and its outputs depend on."""

    folder: Path
    identity: str
    limit: int = LIMIT
    largest: int = 160 * 10**6  # bytes of a Jacobian that is kept as it is; of a larger one, Gram matrices per tile
    tile: int = 32  # pixels of a tile's side

    def entry(self, question: Mapping[str, Any]) -> CacheEntry:
        """Return the place of what is kept about one code, one choice of layers, one output and one set of pixels."""
        text = json.dumps({"network": self.identity, **question}, sort_keys=True)
        return CacheEntry(self.folder / hashlib.sha256(text.encode()).hexdigest()[:40])

    def tidy(self) -> None:
        """Delete what was used least recently, until the rest fits the limit."""
        with contextlib.suppress(OSError):
            folders = sorted(code_folders(self.folder), key=lambda folder: folder.stat().st_mtime)
            sizes = [folder_size(folder) for folder in folders]
            excess = sum(sizes) - self.limit
            for folder, size in zip(folders, sizes, strict=True):
                if excess <= 0:
                    break
                shutil.rmtree(folder, ignore_errors=True)
                excess -= size


@dataclass(frozen=True)
class CacheEntry:
    """What is kept in one folder. Failures to write are the caller's to handle, failures to read mean absence."""

    folder: Path

    def columns(self) -> list[StoredColumns]:
        """List the stretches of columns that follow on one another from the first, in order."""
        found: dict[int, StoredColumns] = {}
        with contextlib.suppress(OSError):
            for path in sorted(self.folder.iterdir()):
                if match := _COLUMNS.fullmatch(path.name):
                    found.setdefault(int(match[1]), StoredColumns(int(match[1]), int(match[2]), path))
        stretches, end = [], 0
        while (stretch := found.get(end)) is not None and stretch.end > end and stretch.chunk:
            stretches.append(stretch)
            end = stretch.end
        return stretches

    def add_columns(self, start: int, columns: Tensor, chunk: int) -> StoredColumns:
        """Keep columns (k, rows) from `start` on, computed `chunk` at a time. Raises `OutputError`."""
        end = start + len(columns)
        path = self.folder / f"columns-{start:05d}-{end:05d}.safetensors"
        write_tensors(path, {"columns": columns, "chunk": torch.tensor(chunk)}, {})
        return StoredColumns(start, end, path)

    def drop_columns(self) -> None:
        """Delete the columns: what they were needed for is kept otherwise."""
        with contextlib.suppress(OSError):
            for path in self.folder.glob("columns-*.safetensors"):
                path.unlink(missing_ok=True)

    def read(self, name: str, *keys: str) -> dict[str, Tensor] | None:
        """Read kept tensors by name; None where they are not, or not all of them."""
        with contextlib.suppress(UnreadableError):
            tensors = read_tensors(self.folder / f"{name}.safetensors")[0]
            return tensors if set(keys) <= set(tensors) else None
        return None

    def write(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Keep tensors under a name. Raises `OutputError`."""
        write_tensors(self.folder / f"{name}.safetensors", tensors, {})

    def use(self) -> None:
        """Note that it was used now."""
        with contextlib.suppress(OSError):
            os.utime(self.folder)


@dataclass(frozen=True)
class StoredColumns:
    """Columns `start` to `end` of a Jacobian in a file: (end - start, rows)."""

    start: int
    end: int
    path: Path

    @cached_property
    def chunk(self) -> int:
        """How many of them were computed at a time; 0 if the file is not there, not whole, or of another size."""
        try:
            with safe_open(self.path, framework="pt") as file:
                fits = file.get_slice("columns").get_shape()[0] == self.end - self.start
                return int(file.get_tensor("chunk")) if fits else 0
        except (OSError, SafetensorError):
            return 0

    @cached_property
    def rows(self) -> int:
        """How many rows J has. Raises `OSError`, `SafetensorError`."""
        with safe_open(self.path, framework="pt") as file:
            return int(file.get_slice("columns").get_shape()[1])

    def read(self, first: int, last: int) -> Tensor:
        """Read the rows `first` to `last` of J: (end - start, last - first). Raises `OSError`, `SafetensorError`."""
        with safe_open(self.path, framework="pt") as file:
            part: Tensor = file.get_slice("columns")[:, first:last]
        return part


@contextlib.contextmanager
def temporary_entry() -> Iterator[CacheEntry]:
    """Yield an entry that is gone afterwards: room on disk for columns that neither fit into memory nor are kept."""
    with workspace(jacobian_folder() / "passing") as work:
        yield CacheEntry(work)


def fingerprint(tensor: Tensor) -> str:
    """Digest a tensor's type, shape and content."""
    plain = tensor.detach().cpu().contiguous()
    digest = hashlib.sha256(f"{plain.dtype} {tuple(plain.shape)}".encode())
    digest.update(plain.view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:32]


def jacobian_folder() -> Path:
    """Return the folder of kept Jacobians."""
    return cache_folder() / "jacobians"


def jacobian_limit() -> int:
    """Return the bytes that kept Jacobians may take: ``ZOO_JACOBIANS`` such as 20GB, or 4 GB; 0 keeps none.

    Raises `OptionError`.
    """
    chosen = os.environ.get("ZOO_JACOBIANS", "").strip()
    if not chosen:
        return LIMIT
    return 0 if re.fullmatch(r"0+\s*[kmgt]?i?b?", chosen, re.IGNORECASE) else parse_size("ZOO_JACOBIANS", chosen)


@dataclass(frozen=True)
class Holdings:
    """What is kept in all: Jacobians of so many codes, in so many bytes, of at most `limit`."""

    folder: Path
    codes: int
    size: int
    limit: int


def holdings() -> Holdings:
    """Look up what is kept. Raises `OptionError` for a limit that cannot be read."""
    folder = jacobian_folder()
    return Holdings(folder, len(code_folders(folder)), folder_size(folder), jacobian_limit())


def drop_all() -> list[Path]:
    """Delete every kept Jacobian; list the folder, if there was one. Raises `OutputError`."""
    folder = jacobian_folder()
    if not folder.exists():
        return []
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise output_error(folder, error) from error
    return [folder]


def code_folders(folder: Path) -> list[Path]:
    """List the folders of codes; what a running process works in begins with a dot."""
    return [path for path in folder.glob("[!.]*") if path.is_dir()]


def folder_size(folder: Path) -> int:
    """Add up the bytes of a folder's files; those that vanish meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total
