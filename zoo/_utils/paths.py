"""The two folders that zoo keeps on a machine: the cache, and the user's own settings."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import platformdirs

from zoo.errors import OutputError

_DISTRIBUTION = "latent-zoo"


def expand_home(path: str | Path) -> Path:
    """Replace a leading ``~`` by the home folder: only shells do, not Docker, systemd, YAML or Python.

    Args:
        path: a path.

    Returns:
        The path, unchanged if there is no home folder to put in.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def cache_folder() -> Path:
    """Return the folder for fetched weights and kept Jacobians: ``ZOO_CACHE``, or the platform's usual one."""
    return _folder("ZOO_CACHE", platformdirs.user_cache_dir)


def config_folder() -> Path:
    """Return the folder of the user's own cards and of pinned hashes: ``ZOO_CONFIG``, or the platform's usual one."""
    return _folder("ZOO_CONFIG", platformdirs.user_config_dir)


def _folder(variable: str, usual: Callable[..., str]) -> Path:
    """Return the folder that a variable names, or the usual one; raise `OutputError` for a user without a home."""
    chosen = os.environ.get(variable)
    try:
        folder = expand_home(chosen) if chosen else Path(usual(_DISTRIBUTION, appauthor=False))
    except RuntimeError:  # of platformdirs
        folder = Path("~")
    if not chosen and folder.parts[:1] == ("~",):
        raise OutputError("this user has no home folder: set ZOO_CACHE and ZOO_CONFIG to folders that zoo may write")
    return folder
