"""What is at a path that a user names."""

from __future__ import annotations

import os
from pathlib import Path

from zoo.errors import UnknownNameError


def is_file(path: Path) -> bool:
    """Say whether there is a file at a path; False for a name that the system cannot look up, such as a too long one.

    Args:
        path: The path.
    """
    return os.path.isfile(path)  # noqa: PTH113 Path.is_file raises for such a name


def is_dir(path: Path) -> bool:
    """Say whether there is a folder at a path; False for a name that the system cannot look up.

    Args:
        path: The path.
    """
    return os.path.isdir(path)  # noqa: PTH112


def exists(path: Path) -> bool:
    """Say whether there is anything at a path; False for a name that the system cannot look up.

    Args:
        path: The path.
    """
    return os.path.exists(path)  # noqa: PTH110


def require_file(path: Path, instead: str) -> None:
    """Refuse what is no file, before it is opened.

    Args:
        path: The path that a user names.
        instead: What to do where nothing is there.

    Raises:
        UnknownNameError: If it is no regular file.
    """
    if exists(path) and not is_file(path):
        raise UnknownNameError(f"{path} is a pipe or a device, not a file: save the weights to a file, and name that")
    if not is_file(path):
        raise UnknownNameError(f"there is no file {path}: {instead}")
