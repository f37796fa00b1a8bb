"""The config.json beside a weights file, as Hugging Face's tools write it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zoo._utils.lookups import is_file
from zoo.errors import CheckpointError

_WEIGHTS = "pytorch_model.bin"
_NAME = "config.json"
_SUFFIXES = (".bin", ".safetensors")

# Bytes of the largest such file, and how deeply its values may be nested.
_MAX_BYTES = 2**20
_MAX_DEPTH = 6


def read_config_beside(path: Path) -> dict[str, Any]:
    """Read the settings that stand beside a ``.bin`` or ``.safetensors`` file.

    They are in ``config.json``; for a file called ``NAME-pytorch_model.bin``, in ``NAME-config.json`` if there is one.

    Args:
        path: The weights file.

    Returns:
        The plain values, by dotted key; nothing where there is no such file.

    Raises:
        CheckpointError: If it is there, but cannot be read.
    """
    if path.suffix not in _SUFFIXES:
        return {}
    names = [path.name.removesuffix(_WEIGHTS) + _NAME, _NAME] if path.name.endswith(_WEIGHTS) else [_NAME]
    file = next((file for file in map(path.with_name, names) if is_file(file)), None)
    if file is None:
        return {}
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise ValueError("it is too large")
        settings = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(settings, dict):
            raise ValueError("it is not a dictionary")
        return dict(_flat("", settings, 0))
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:100]
        raise CheckpointError(
            f"{file}, which tells the settings of {path.name}, cannot be read: {reason}; mend it, or move it away"
        ) from None


def _flat(key: str, value: Any, depth: int) -> list[tuple[str, Any]]:
    """List the plain values inside a value of JSON, by dotted key."""
    if not isinstance(value, dict | list):
        return [(key, value)]
    if depth > _MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    return [flat for name, part in pairs for flat in _flat(f"{key}.{name}" if key else str(name), part, depth + 1)]
