"""The note in a converted file: what it was made of, for whom, and on which terms it may be used.

It is the value ``zoo`` of a safetensors file's metadata, one JSON object, and is read without reading a tensor.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import CheckpointError
from zoo.registry.cards import Licence

KEY = "zoo"
FORMAT = 1
_LONGEST_HEAD, _LONGEST, _LONGEST_TEXT = 2**26, 2**20, 500
_LARGEST, _MOST, _DEEPEST = 2**32, 10_000, 6


@dataclass(frozen=True, kw_only=True)
class ConversionMetadata:
    """What a converted file says of itself.

    `adapter` is the architecture whose canonical keys it has and `config` what its adapter needs beside them; `layout`
    is the public format that it was read from, `sha256` the hash of that file, `origin` its name; `averaged` says
    whether the weights are the average over training.
    """

    adapter: str
    layout: str
    origin: str
    sha256: str
    averaged: str
    licence: Licence
    summary: str
    config: dict[str, Any] = field(default_factory=dict)

    def as_text(self) -> str:
        """Write the note as JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}, allow_nan=False)


_TEXTS = ("adapter", "layout", "origin", "sha256", "averaged", "summary")


def require_plain(value: Any, depth: int = 0) -> None:
    """Raise `ValueError` unless settings are lists and dictionaries of printable texts and of numbers of some size."""
    if isinstance(value, dict | list | tuple):
        if depth > _DEEPEST or len(value) > _MOST:
            raise ValueError("settings are nested too deeply, or too many")
        for part in [*value, *value.values()] if isinstance(value, dict) else value:
            require_plain(part, depth + 1)
    elif isinstance(value, str):
        if len(value) > _LONGEST_TEXT or not value.isprintable():
            raise ValueError("a text is too long, or holds signs that steer a terminal")
    elif isinstance(value, int | float):
        if not abs(value) <= _LARGEST:
            raise ValueError("a setting is beyond all measure, or no number")
    elif value is not None:
        raise ValueError(f"a setting is a {type(value).__name__}")


def parse_metadata(meta: Mapping[str, Any], path: Path) -> ConversionMetadata | None:
    """Read the note of a file from its metadata; None where there is none. Raises `CheckpointError`."""
    if KEY not in meta:
        return None
    try:
        if len(meta[KEY]) > _LONGEST:
            raise ValueError(f"it has {len(meta[KEY]):,} signs")
        told = json.loads(meta[KEY])
        if told.pop("format") != FORMAT:
            raise CheckpointError(f"{path} was converted by another version of zoo: convert the original file again")
        licence = Licence(**told.pop("licence"))
        note = ConversionMetadata(**told, licence=licence)
        texts = [*(getattr(note, name) for name in _TEXTS), licence.weights, licence.data or ""]
        if not all(isinstance(text, str) for text in texts) or not isinstance(note.config, dict):
            raise ValueError("a text is missing")
        require_plain([*texts, note.config])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise CheckpointError(f"{path} holds a note of zoo that cannot be read: {reason}") from None
    return note


def read_metadata(path: Path) -> ConversionMetadata | None:
    """Read the note of a converted file from its head; None for any other file. Raises `CheckpointError`."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(_LONGEST_HEAD, path.stat().st_size):
                return None
            head = json.loads(file.read(length))
        meta = head.get("__metadata__")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return parse_metadata(meta, path) if isinstance(meta, dict) else None
