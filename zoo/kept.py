"""Kept Jacobians as a whole: where they are, how much room they take and may take."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from zoo.files import output_error
from zoo.places import cache_folder
from zoo.sizes import parse_size

LIMIT = 4 * 10**9
"""Bytes that all kept Jacobians may take together, unless ``ZOO_JACOBIANS`` says otherwise."""


def keep_folder() -> Path:
    """Return the folder of kept Jacobians."""
    return cache_folder() / "jacobians"


def keep_limit() -> int:
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
    folder = keep_folder()
    return Holdings(folder, len(code_folders(folder)), folder_size(folder), keep_limit())


def drop_all() -> list[Path]:
    """Delete every kept Jacobian; list the folder, if there was one. Raises `OutputError`."""
    folder = keep_folder()
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
