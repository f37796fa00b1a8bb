"""The two folders that zoo keeps on a machine: the cache, and the user's own settings."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

_DISTRIBUTION = "latent-zoo"


def cache_folder() -> Path:
    """Return the folder for fetched weights and kept Jacobians: ``ZOO_CACHE``, or the platform's usual one."""
    chosen = os.environ.get("ZOO_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir(_DISTRIBUTION, appauthor=False))


def config_folder() -> Path:
    """Return the folder of the user's own cards and of pinned hashes: ``ZOO_CONFIG``, or the platform's usual one."""
    chosen = os.environ.get("ZOO_CONFIG")
    return Path(chosen) if chosen else Path(platformdirs.user_config_dir(_DISTRIBUTION, appauthor=False))
