"""The metadata of a converted file: what it was made of, for which architecture, and on which terms it may be used.

It is the value ``zoo`` of a safetensors file's metadata, one JSON object, and can be read without reading a tensor.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from zoo._utils.tensorfile import UnreadableError, open_tensors
from zoo.errors import CheckpointError
from zoo.registry.cards import Licence

KEY = "zoo"
FORMAT = 1

# Characters of the metadata, characters of one text in it.
_MAX_METADATA = 2**20
_MAX_TEXT = 500
# Of settings: the largest number, the most in one list or dictionary, how deeply they may be nested.
_MAX_NUMBER = 2**32
_MAX_ITEMS = 10_000
_MAX_DEPTH = 6

_TEXT_FIELDS = ("adapter", "layout", "origin", "sha256", "averaged", "summary")


@dataclass(frozen=True, kw_only=True)
class ConversionMetadata:
    """What a converted file states about itself.

    Attributes:
        adapter: The architecture whose canonical keys the file has.
        layout: The public format that the weights were read from.
        origin: The name of the file that they were read from.
        sha256: The hash of that file.
        averaged: In words, whether the weights are the average over training.
        licence: The terms of the weights.
        summary: What the model draws, in a line.
        config: What the adapter needs beside the weights.
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
        """Write the metadata as JSON.

        Returns:
            The JSON text.
        """
        return json.dumps({"format": FORMAT, **asdict(self)}, allow_nan=False)


def require_plain(value: Any, depth: int = 0) -> None:
    """Check settings that come from a file.

    Args:
        value: Lists and dictionaries of short printable texts and of numbers that are not too large.
        depth: How deeply `value` is nested already.

    Raises:
        ValueError: If there is anything else in `value`.
    """
    if isinstance(value, dict | list | tuple):
        if depth > _MAX_DEPTH or len(value) > _MAX_ITEMS:
            raise ValueError("settings are nested too deeply, or too many")
        for part in [*value, *value.values()] if isinstance(value, dict) else value:
            require_plain(part, depth + 1)
    elif isinstance(value, str):
        if len(value) > _MAX_TEXT or not value.isprintable():
            raise ValueError("a text is too long, or has characters that are not printable")
    elif isinstance(value, int | float):
        if not abs(value) <= _MAX_NUMBER:  # true of NaN too
            raise ValueError("a setting is too large, or not a number")
    elif value is not None:
        raise ValueError(f"a setting is a {type(value).__name__}")


def parse_metadata(meta: Mapping[str, Any], path: Path) -> ConversionMetadata | None:
    """Parse the metadata of a converted file.

    Args:
        meta: The metadata of a safetensors file.
        path: The file, for the error message.

    Returns:
        What the file states; None if zoo did not convert it.

    Raises:
        CheckpointError: If it states that in a way that cannot be read, or was converted by another version of zoo.
    """
    if KEY not in meta:
        return None
    try:
        if len(meta[KEY]) > _MAX_METADATA:
            raise ValueError(f"it has {len(meta[KEY]):,} characters")
        fields = json.loads(meta[KEY])
        if fields.pop("format") != FORMAT:
            raise CheckpointError(f"{path} was converted by another version of zoo: convert the original file again")
        licence = Licence(**fields.pop("licence"))
        metadata = ConversionMetadata(**fields, licence=licence)
        texts = [*(getattr(metadata, name) for name in _TEXT_FIELDS), licence.weights, licence.data or ""]
        if not all(isinstance(text, str) for text in texts) or not isinstance(metadata.config, dict):
            raise ValueError("a text is missing")
        require_plain([*texts, metadata.config])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise CheckpointError(f"{path} holds metadata of zoo that cannot be read: {reason}") from None
    return metadata


def read_metadata(path: Path) -> ConversionMetadata | None:
    """Read the metadata of a converted file, without its tensors.

    Args:
        path: A file of any kind.

    Returns:
        What the file states; None if zoo did not convert it.

    Raises:
        CheckpointError: See `parse_metadata`.
    """
    try:
        with open_tensors(path) as file:
            meta = file.metadata()
    except (OSError, UnreadableError, SafetensorError):
        return None  # reading its tensors says why
    return parse_metadata(meta, path) if meta else None
