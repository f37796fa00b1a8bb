"""Digests of the files that options name, for whatever must know two requests apart."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo._utils.lookups import is_dir, is_file
from zoo.core.files.hub_address import fetch_set, is_hub_address


def digests_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Hash what options name: files, all files of a folder, and sets of directions on the Hub, which are fetched.

    Args:
        options: Options by name. Paths are hashed, and texts where there is such a file or they are an address.

    Returns:
        The sha256 of each; ``none`` for a path at which there is nothing.

    Raises:
        DirectionsError: If a set on the Hub cannot be fetched.
    """
    return {name: _digest(Path(value)) for name, value in options.items() if _names_file(value)}


def _names_file(value: Any) -> bool:
    if isinstance(value, str):
        return is_hub_address(value) or is_file(Path(value))
    return isinstance(value, Path)


def _digest(path: Path) -> dict[str, Any] | str:
    if is_hub_address(path):
        return _digest(fetch_set(path)[0])
    if is_dir(path):
        return {one.name: _digest(one) for one in sorted(path.iterdir()) if is_file(one)}
    return hashlib.sha256(path.read_bytes()).hexdigest() if is_file(path) else "none"
