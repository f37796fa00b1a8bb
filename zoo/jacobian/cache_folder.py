"""The folder of cached Jacobians as a whole: where it is, how large it is and may become. Imports no torch."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from zoo._utils.paths import cache_folder
from zoo._utils.sizes import parse_size
from zoo._utils.workspaces import output_error

DEFAULT_LIMIT = 4 * 10**9  # bytes that all cached Jacobians may take together, unless ZOO_JACOBIANS says otherwise


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
    return CacheUsage(folder, len(entry_folders(folder)), folder_size(folder), jacobian_limit())


def clear_cache() -> list[Path]:
    """Delete every cached Jacobian.

    Returns:
        The deleted folder; an empty list if there was none.

    Raises:
        OutputError: The folder cannot be deleted.
    """
    folder = jacobian_folder()
    if not folder.exists():
        return []
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise output_error(folder, error) from error
    return [folder]


def evict(folder: Path, limit: int) -> None:
    """Delete the least recently used entries of a cache until the others fit into a limit.

    Args:
        folder: The folder of the cache.
        limit: Bytes that the entries may take together.
    """
    with contextlib.suppress(OSError):
        entries = sorted(entry_folders(folder), key=lambda entry: entry.stat().st_mtime)
        sizes = [folder_size(entry) for entry in entries]
        excess = sum(sizes) - limit
        for entry, size in zip(entries, sizes, strict=True):
            if excess <= 0:
                break
            shutil.rmtree(entry, ignore_errors=True)
            excess -= size


def entry_folders(folder: Path) -> list[Path]:
    """List the entries of a cache, one folder for each code.

    Args:
        folder: The folder of the cache.

    Returns:
        Their folders. The work folders of running processes, whose names begin with a dot, are left out.
    """
    return [path for path in folder.glob("[!.]*") if path.is_dir()]


def folder_size(folder: Path) -> int:
    """Add up the sizes of all files below a folder.

    Args:
        folder: Any folder, which need not exist.

    Returns:
        The sum in bytes. A file that another process deletes meanwhile counts as 0.
    """
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total
