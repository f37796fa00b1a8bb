"""Finding networks, keys and settings in the flat contents of a file."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from zoo.core.adapter import State
from zoo.errors import CheckpointError

# The prefixes of networks in a TensorFlow pickle, the averaged one first.
TENSORFLOW_PREFIXES = ("Gs.", "G.", "")


def find_prefix(state: State, mark: str, prefixes: Iterable[str]) -> str | None:
    """Find a network in a file by one of its keys.

    Args:
        state: the file's tensors.
        mark: a key that the network has, without prefix.
        prefixes: prefixes to try, the preferred one first.

    Returns:
        The first prefix under which the key is there; None if there is none.
    """
    return next((prefix for prefix in prefixes if prefix + mark in state), None)


def network_state(state: State, mark: str, prefixes: Iterable[str]) -> State | None:
    """Take one network out of a file.

    Args:
        state: the file's tensors.
        mark: a key that the network has, without prefix.
        prefixes: prefixes to try, the preferred one first.

    Returns:
        The tensors of the first network that has the key, its prefix cut off; None if there is none.
    """
    prefix = find_prefix(state, mark, prefixes)
    if prefix is None:
        return None
    return {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}


def detect_by_keys(mark: str, prefixes: Iterable[str], *more: str) -> Callable[[State, Mapping[str, Any]], bool]:
    """Make the `detect` of a layout that is recognised by its keys.

    Args:
        mark: a key that the network has, without prefix.
        prefixes: prefixes to try, the preferred one first.
        *more: further keys that the same network must have.

    Returns:
        A function of a file's tensors and metadata, as `zoo.Layout` takes it.
    """

    def detect(state: State, meta: Mapping[str, Any]) -> bool:
        prefix = find_prefix(state, mark, prefixes)
        return prefix is not None and all(prefix + key in state for key in more)

    return detect


def collect_settings(meta: Mapping[str, Any], prefixes: Iterable[str]) -> dict[str, Any]:
    """Collect the settings that a file holds beside its tensors.

    Args:
        meta: the file's metadata, flat, by dotted key.
        prefixes: where to look; of a name found under several, the first prefix counts.

    Returns:
        The values, by their keys without prefix.
    """
    settings: dict[str, Any] = {}
    for prefix in prefixes:
        for key, value in meta.items():
            if key.startswith(prefix):
                settings.setdefault(key.removeprefix(prefix), value)
    return settings


def tensorflow_settings(meta: Mapping[str, Any], prefix: str | None) -> dict[str, Any]:
    """Collect the arguments that a TensorFlow network was built with, and those of its mapping and synthesis.

    Args:
        meta: the file's metadata, flat, by dotted key.
        prefix: the network's prefix, as `find_prefix` returns it.

    Returns:
        The arguments, by name.
    """
    parts = ("", "components.mapping.", "components.synthesis.")
    return collect_settings(meta, [f"{prefix}{part}static_kwargs." for part in parts])


def require_settings(settings: Mapping[str, Any], supported: Mapping[str, Any], owner: str) -> None:
    """Require that a network was built with the settings that are supported.

    Args:
        settings: those of the file; one that it lacks counts as supported.
        supported: the one supported value of each setting.
        owner: the file's name in messages, such as "the StyleGAN2 file".

    Raises:
        CheckpointError: for a setting of another value.
    """
    for name, value in supported.items():
        if settings.get(name, value) != value:
            raise CheckpointError(
                f"{owner} was made with {name} {settings[name]!r}, which is not supported: only {value!r} is"
            )


def count_keys(state: State, pattern: str) -> int:
    """Count keys.

    Args:
        state: tensors by key.
        pattern: a regular expression, which must match the whole key.

    Returns:
        How many keys match.
    """
    return sum(re.fullmatch(pattern, key) is not None for key in state)


def count_numbered(state: State, template: str, *, first: int = 0) -> int:
    """Count keys that are numbered without gaps.

    Args:
        state: tensors by key.
        template: the key with braces in the number's place, such as ``blocks.{}.weight``.
        first: the first number.

    Returns:
        How many of the keys with the numbers first, first + 1, … are there, up to the first missing one.
    """
    return next(number for number in itertools.count() if template.format(first + number) not in state)
