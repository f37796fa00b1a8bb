"""The folder of cached Jacobians as a whole: where it is, how large it is and may become. Imports no torch."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from zoo._utils.paths import cache_folder
from zoo._utils.sizes import parse_size
from zoo._utils.writing.workspaces import output_error, remove_abandoned
from zoo.jacobian.checksums import is_intact

DEFAULT_LIMIT = 4 * 10**9  # bytes that all cached Jacobians may take together, unless ZOO_JACOBIANS says otherwise

COLUMNS_NAME = re.compile(r"columns-(\d{5,7})-(\d{5,7})\.safetensors")
_GRAM_NAME = re.compile(r"gram-[0-9a-f]{1,64}\.safetensors")
_ENTRY_NAME = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class CacheUsage:
    """How much of the cache is used.

    Attributes:
        folder: The folder of the cache, which need not exist.
        codes: Number of codes of which something is cached.
        size: Bytes that they take together.
        limit: Bytes that they may take.
    """

    folder: Path
    codes: int
    size: int
    limit: int


def jacobian_folder() -> Path:
    """Return the folder of cached Jacobians, which need not exist."""
    return cache_folder() / "jacobians"


def jacobian_limit() -> int:
    """Read how many bytes cached Jacobians may take from ``ZOO_JACOBIANS``, such as 20GB.

    Returns:
        The limit in bytes: 4 GB if the variable is not set, 0 if nothing is to be cached.

    Raises:
        OptionError: The variable holds no size.
    """
    text = os.environ.get("ZOO_JACOBIANS", "").strip()
    if not text:
        return DEFAULT_LIMIT
    return 0 if re.fullmatch(r"0+\s*[kmgt]?i?b?", text, re.IGNORECASE) else parse_size("ZOO_JACOBIANS", text)


def cache_usage() -> CacheUsage:
    """Measure the cache.

    Returns:
        Its folder, size and limit.

    Raises:
        OptionError: ``ZOO_JACOBIANS`` holds no size.
    """
    folder = jacobian_folder()
    entries = entry_folders(folder)
    return CacheUsage(folder, len(entries), sum(map(_entry_size, entries)), jacobian_limit())


def clear_cache() -> list[Path]:
    """Delete every cached Jacobian; files that zoo did not write stay.

    Returns:
        The folder of the cache; an empty list if there was nothing to delete.

    Raises:
        OutputError: The folder cannot be deleted.
    """
    folder = jacobian_folder()
    entries = entry_folders(folder)
    try:
        for entry in entries:
            _delete_entry(entry)
        remove_abandoned(folder)
        with contextlib.suppress(OSError):  # something else is in it
            folder.rmdir()
    except OSError as error:
        raise output_error(folder, error) from error
    return [folder] if entries else []


def damaged_files() -> list[Path]:
    """List the cached files that differ from their checksums; they are computed again when they are needed.

    Returns:
        Their paths.
    """
    return [file for entry in entry_folders(jacobian_folder()) for file in _entry_files(entry) if not is_intact(file)]


def delete_damaged() -> list[Path]:
    """Delete what `damaged_files` lists.

    Returns:
        The deleted files.

    Raises:
        OutputError: One cannot be deleted.
    """
    files = damaged_files()
    for file in files:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise output_error(file, error) from error
    return files


def evict(folder: Path, limit: int) -> None:
    """Delete the least recently used entries of a cache until the others fit into a limit.

    Args:
        folder: The folder of the cache.
        limit: Bytes that the entries may take together.
    """
    with contextlib.suppress(OSError):
        entries = sorted(entry_folders(folder), key=lambda entry: entry.stat().st_mtime)
        sizes = [_entry_size(entry) for entry in entries]
        excess = sum(sizes) - limit
        for entry, size in zip(entries, sizes, strict=True):
            if excess <= 0:
                break
            _delete_entry(entry)
            excess -= size


def entry_folders(folder: Path) -> list[Path]:
    """List the entries of a cache, one folder for each code.

    Args:
        folder: The folder of the cache.

    Returns:
        Their folders. Whatever has no name of an entry, such as the work folders of running processes, is left out.
    """
    with contextlib.suppress(OSError):
        return [path for path in folder.iterdir() if _ENTRY_NAME.fullmatch(path.name) and path.is_dir()]
    return []


def _entry_files(entry: Path) -> list[Path]:
    """List the files of an entry that zoo wrote."""
    with contextlib.suppress(OSError):
        return [
            path
            for path in sorted(entry.iterdir())
            if (COLUMNS_NAME.fullmatch(path.name) or _GRAM_NAME.fullmatch(path.name)) and path.is_file()
        ]
    return []


def _entry_size(entry: Path) -> int:
    """Add up the bytes of an entry; a file that another process deletes meanwhile counts as 0."""
    total = 0
    for path in _entry_files(entry):
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total


def _delete_entry(entry: Path) -> None:
    for path in _entry_files(entry):
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        remove_abandoned(entry)
        entry.rmdir()
