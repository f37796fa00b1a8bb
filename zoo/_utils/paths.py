"""The two folders that zoo keeps on a machine: the cache, and the user's own settings."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

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
    chosen = os.environ.get("ZOO_CACHE")
    return expand_home(chosen) if chosen else Path(platformdirs.user_cache_dir(_DISTRIBUTION, appauthor=False))


def config_folder() -> Path:
    """Return the folder of the user's own cards and of pinned hashes: ``ZOO_CONFIG``, or the platform's usual one."""
    chosen = os.environ.get("ZOO_CONFIG")
    return expand_home(chosen) if chosen else Path(platformdirs.user_config_dir(_DISTRIBUTION, appauthor=False))
