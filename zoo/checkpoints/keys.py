"""Finding keys and settings in the flat contents of a network."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any

from zoo.checkpoints.networks import says_averaged
from zoo.core.adapter import State
from zoo.errors import CheckpointError

# The last parts of keys of tensors that are no parameters: statistics, and the vectors of spectral norms.
_BUFFERS = {"running_mean", "running_var", "weight_u", "weight_v", "_u", "_v"}


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


def tensorflow_settings(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Collect the arguments that a TensorFlow network was built with, and those of its mapping and synthesis.

    Args:
        meta: the network's metadata, flat, by dotted key.

    Returns:
        The arguments, by name.
    """
    parts = ("", "components.mapping.", "components.synthesis.")
    return collect_settings(meta, [f"{part}static_kwargs." for part in parts])


def hammer_settings(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Collect the arguments of a generator that a training checkpoint of Hammer holds beside its networks.

    Args:
        meta: the file's metadata, flat, by dotted key.

    Returns:
        The arguments, by name; none for a file of weights alone.
    """
    return collect_settings(meta, [f"model_kwargs_init.{name}." for name in ("generator_smooth", "generator")])


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


def name_listed_averages(state: State) -> State:
    """Give an average that is stored as a list of parameters, without names, the keys of the network beside it.

    Training scripts such as FastGAN's keep the average as ``[p for p in network.parameters()]``, which has the order of
    the network's own state dict without its buffers. The buffers are those of the trained network, as in these scripts.

    Args:
        state: the file's tensors, in the file's order.

    Returns:
        The tensors. A list that fits no network beside it stays as it is.
    """
    for name, keys in _listed_averages(state).items():
        shapes = [state[key].shape for key in keys]
        for other in dict.fromkeys(_beside(key, name) for key in state if key not in keys):
            own = {key: tensor for key, tensor in state.items() if other and key.startswith(other)}
            parameters = [key for key in own if key.rpartition(".")[2] not in _BUFFERS]
            if shapes == [own[key].shape for key in parameters]:
                average = own | {key: state[stored] for key, stored in zip(parameters, keys, strict=True)}
                kept = {key: tensor for key, tensor in state.items() if key not in keys}
                return kept | {f"{name}.{key.removeprefix(other)}": tensor for key, tensor in average.items()}
    return state


def _listed_averages(state: State) -> dict[str, list[str]]:
    """Find lists of tensors whose name says that they are an average, and the keys of their tensors."""
    lists: dict[str, list[str]] = {}
    for key in state:
        name, _, index = key.rpartition(".")
        if index.isdecimal() and says_averaged(name.rpartition(".")[2]):
            lists.setdefault(name, []).append(key)
    return {name: keys for name, keys in lists.items() if keys == [f"{name}.{index}" for index in range(len(keys))]}


def _beside(key: str, name: str) -> str:
    """Return the beginning of a key up to the name of what stands beside something of a name; "" if nothing does."""
    parent = name.rpartition(".")[0] + "." if "." in name else ""
    return parent + key.removeprefix(parent).split(".")[0] + "." if key.startswith(parent) else ""


def rename_modules(state: State, names: Mapping[str, str]) -> State:
    """Rename the modules of a network.

    Args:
        state: tensors by dotted key.
        names: the new name of each module or tensor by its old one. Of several that a key begins with, the longest
            counts; other keys stay as they are.

    Returns:
        The tensors by their new keys.
    """
    return {_rename(key, names): tensor for key, tensor in state.items()}


def _rename(key: str, names: Mapping[str, str]) -> str:
    parts = key.split(".")
    for count in range(len(parts), 0, -1):
        name = names.get(".".join(parts[:count]))
        if name is not None:
            return ".".join([name, *parts[count:]])
    return key


def count_keys(state: State, pattern: str) -> int:
    """Count keys.

    Args:
        state: tensors by key.
        pattern: a regular expression, which must match the whole key.

    Returns:
        How many keys match.
    """
    return sum(re.fullmatch(pattern, key) is not None for key in state)


def count_numbered(state: Mapping[str, Any], template: str, *, first: int = 0) -> int:
    """Count keys that are numbered without gaps.

    Args:
        state: tensors or other values by key.
        template: the key with braces in the number's place, such as ``blocks.{}.weight``.
        first: the first number.

    Returns:
        How many of the keys with the numbers first, first + 1, … are there, up to the first missing one.
    """
    return next(number for number in itertools.count() if template.format(first + number) not in state)
