"""Finding the networks in a file: at any depth, under any name, whatever wrappers put into the keys."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch

from zoo.checkpoints.wrappers import WRAPPERS
from zoo.core.adapter import Adapter, Layout, State
from zoo.core.options import ADAPTER_OPTION
from zoo.errors import CheckpointError

# Words in the name of a network whose weights are an average over training, of which papers show images.
_AVERAGED_WORDS = {
    *("ema", "smooth", "avg", "mavg", "average", "averaged", "shadow", "swa", "running", "polyak"),
    "gema",
}
_AVERAGED_NAMES = {"Gs", "avgG", "GE"}

# Names that a network has in a training checkpoint beside its average.
_TRAINED_NAMES = {"G", "g", "generator", "netG", "gen", "params"}

# The end of the key under which an object's class is.
_CLASS = "_class"

# The key under which a network finds the classes of the layers without tensors that stand beside it in its module.
SIBLINGS = "_siblings"

# The key under which a network finds the classes of the modules that it is inside of.
AROUND = "_around"

# A file with more networks of one layout than this is refused.
_MOST_NETWORKS = 64


@dataclass(frozen=True, eq=False)
class FoundNetwork:
    """A network of a known layout in a file.

    Attributes:
        prefix: what stands before the network's keys in the file, with a dot at its end, or "".
        family: the architecture's name.
        layout: the layout.
        state: the network's tensors, by their keys without the prefix.
        meta: the plain values of the file; those under the prefix without it.
    """

    prefix: str
    family: str
    layout: Layout
    state: State
    meta: dict[str, Any]

    def convert(self) -> tuple[State, dict[str, Any]]:
        """Convert the network by its layout.

        Returns:
            The canonical state, and the config for `Adapter.load`.

        Raises:
            CheckpointError: if the network has other tensors than its layout.
            LookupError, TypeError, ValueError, RuntimeError, ArithmeticError: if tensors have other shapes.
        """
        return self.layout.convert(self.state, self.meta)

    @property
    def name(self) -> str:
        """What the file calls the network, or ""."""
        return ".".join(part for part in self.prefix.split(".") if part and part not in WRAPPERS)

    @property
    def is_averaged(self) -> bool:
        """Whether the name says that the weights are an average over training."""
        return any(map(says_averaged, self.name.split(".")))


def find_networks(families: Mapping[str, type[Adapter]], state: State, meta: Mapping[str, Any]) -> list[FoundNetwork]:
    """Find every network of a known layout, by the ends of the keys.

    Args:
        families: the adapters whose layouts to look for, by name.
        state: the file's tensors, without wrappers.
        meta: the plain values of the file, without wrappers.

    Returns:
        The networks in the order of their prefixes; a network that fits several layouts is there several times.

    Raises:
        CheckpointError: if there are more networks than any file has.
    """
    keys_by_ending = index_by_last_part(state)
    found = []
    for family, adapter in families.items():
        for layout in adapter.layouts:
            prefixes = _prefixes(layout, state, keys_by_ending)
            networks = (_cut_out(prefix, family, layout, state, meta) for prefix in prefixes)
            found += [network for network in networks if layout.fits(network.state, network.meta)]
    return sorted(_without_shells(found), key=lambda network: network.prefix)


def choose_network(found: Iterable[FoundNetwork], wanted: str | None = None) -> tuple[FoundNetwork, list[str]]:
    """Choose the network to read.

    Args:
        found: what `find_networks` returned, of which there is at least one.
        wanted: the name that the user chose, or the end of it; None takes the only network, or the only average.

    Returns:
        The network, and the names of the others.

    Raises:
        CheckpointError: if a network fits several layouts, if none is called as wanted, or if several could be meant.
    """
    found = list(found)
    _require_one_layout(found)
    networks = {network.name: network for network in found}
    names = [name or "(the file itself)" for name in networks]
    chosen = _named(networks, wanted) if wanted is not None else list(networks.values())
    if wanted is None and len(chosen) > 1:
        chosen = [network for network in chosen if network.is_averaged] or chosen
    if len(chosen) == 1 or (chosen and all(_is_same(chosen[0], network) for network in chosen[1:])):
        return chosen[0], [name for name in networks if name != chosen[0].name]
    if not chosen:
        raise CheckpointError(f"the file holds no network called {wanted}: it holds {' and '.join(names)}")
    listed = [network.name or "(the file itself)" for network in chosen]
    raise CheckpointError(
        f"the file holds {len(listed)} networks, {' and '.join(listed)}: choose one with -o network={listed[0]}"
    )


def describe_average(network: FoundNetwork, others: Iterable[str]) -> str:
    """Say in words whether a network's weights are an average over training.

    Args:
        network: the network that is read.
        others: the names of the other networks in the file.

    Returns:
        A few words that begin with "yes", "no" or "not said".
    """
    if network.layout.averaged:
        return "yes: all files of this format are"
    rest = ", ".join(name for name in others if name)
    if network.is_averaged:
        return f"yes: {network.name}" + (f", not {rest}" if rest else "")
    if not network.name:
        return "not said: the file holds one network without a name"
    if _TRAINED_NAMES.intersection(network.name.split(".")):
        return f"no: the file holds {network.name} only"
    return f"not said: the file holds one network, {network.name}" + (f"; not read: {rest}" if rest else "")


def _require_one_layout(found: Iterable[FoundNetwork]) -> None:
    """Raise `CheckpointError` where two layouts read the same tensors, so that the file could be either network."""
    for one, other in combinations(found, 2):
        layouts = " and ".join(f"{network.family}/{network.layout.name}" for network in (one, other))
        is_nested = one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix)
        if one.family != other.family and is_nested:
            choice = f"-o {ADAPTER_OPTION}={one.family}"
            raise CheckpointError(f"the file fits layouts of two architectures, {layouts}: choose one with {choice}")
        if one.name == other.name:
            raise CheckpointError(f"the file fits several layouts: {layouts}; the `detect` of one accepts too much")


def _is_same(one: FoundNetwork, other: FoundNetwork) -> bool:
    """Tell whether two networks have the same tensors and say the same of themselves, as when one is stored twice."""
    return (
        one.layout is other.layout
        and one.state.keys() == other.state.keys()
        and one.meta == other.meta
        and all(torch.equal(tensor, other.state[key]) for key, tensor in one.state.items())
    )


def says_averaged(part: str) -> bool:
    """Tell whether a part of a name says that weights are an average over training."""
    words = re.split(r"_|(?<=[a-z])(?=[A-Z])", part)
    return part in _AVERAGED_NAMES or any(word.lower() in _AVERAGED_WORDS for word in words)


def index_by_last_part(state: State) -> dict[str, list[str]]:
    """List the keys of a file by their last part, the text after the last point.

    Args:
        state: the file's tensors.

    Returns:
        The keys by their last part.
    """
    index: dict[str, list[str]] = defaultdict(list)
    for key in state:
        index[key.rpartition(".")[2]].append(key)
    return index


def keys_that_end_with(key: str, keys_by_ending: Mapping[str, list[str]]) -> list[str]:
    """List the keys of a file that are a key, or a prefix with a point at its end and that key.

    Args:
        key: a key of a layout.
        keys_by_ending: the file's keys, as `index_by_last_part` gives them.

    Returns:
        The keys in the file.
    """
    candidates = keys_by_ending.get(key.rpartition(".")[2], ())
    return [candidate for candidate in candidates if candidate == key or candidate.endswith(f".{key}")]


def _prefixes(layout: Layout, state: State, keys_by_ending: Mapping[str, list[str]]) -> set[str]:
    """List the prefixes under which all required keys of a layout are."""
    if not layout.required_keys:
        return {"", *(f"{name}." for name in {key.partition(".")[0] for key in state} & WRAPPERS)}
    first, *others = layout.required_keys
    candidates = {key.removesuffix(first) for key in keys_that_end_with(first, keys_by_ending)}
    prefixes = {prefix for prefix in candidates if all(prefix + key in state for key in others)}
    if len(prefixes) > _MOST_NETWORKS:
        raise CheckpointError(f"the file holds {len(prefixes):,} networks, more than any checkpoint")
    return prefixes


def _without_shells(found: list[FoundNetwork]) -> list[FoundNetwork]:
    """Leave out a network that is another one, read as if the name before its keys was a layer's."""
    return [
        network
        for network in found
        if not any(
            inner.family == network.family
            and inner.prefix != network.prefix
            and inner.prefix.startswith(network.prefix)
            and len(inner.state) == len(network.state)
            for inner in found
        )
    ]


def _cut_out(prefix: str, family: str, layout: Layout, state: State, meta: Mapping[str, Any]) -> FoundNetwork:
    inside = {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
    for key in layout.keys_beside:
        tensor = _nearest_above(prefix, key, state)
        if tensor is not None:
            inside.setdefault(key, tensor)
    own = {key.removeprefix(prefix): value for key, value in meta.items() if key.startswith(prefix)}
    said = {SIBLINGS: _siblings_without_tensors(prefix, state, meta), AROUND: _classes_around(prefix, meta)}
    beside = {**_beside(prefix, meta), **{key: classes for key, classes in said.items() if classes}}
    return FoundNetwork(prefix, family, layout, inside, {**beside, **own})


def _classes_around(prefix: str, meta: Mapping[str, Any]) -> str:
    """List the classes of the modules that a network is inside of, from the outermost."""
    parts = prefix.split(".")[:-1]
    keys = [".".join([*parts[:depth], _CLASS]) for depth in range(len(parts))]
    return " ".join(str(meta[key]) for key in keys if key in meta)


def _siblings_without_tensors(prefix: str, state: State, meta: Mapping[str, Any]) -> str:
    """List the classes of modules without tensors that the module around a network has beside it, in order."""
    parent = prefix.removesuffix(".").rpartition(".")[0]
    parent = f"{parent}." if parent else ""
    if not prefix or f"{parent}{_CLASS}" not in meta:
        return ""
    names = [key.removeprefix(parent) for key in meta if key.startswith(parent) and key.endswith(f".{_CLASS}")]
    names = [name.removesuffix(f".{_CLASS}") for name in names if name.count(".") == 1]
    alone = (name for name in names if not any(key.startswith(f"{parent}{name}.") for key in state))
    return " ".join(str(meta[f"{parent}{name}.{_CLASS}"]) for name in alone)


def _beside(prefix: str, meta: Mapping[str, Any]) -> dict[str, Any]:
    """Take the values of a file that are neither a network's own nor in an object beside it, such as another one."""
    objects = {key.removesuffix(_CLASS) for key in meta if key.endswith(_CLASS)}
    others = {name for name in objects if not prefix.startswith(name)}

    def is_inside(key: str) -> bool:
        parts = key.split(".")
        return any(".".join([*parts[:depth], ""]) in others for depth in range(1, len(parts)))

    return {key: value for key, value in meta.items() if not key.startswith(prefix) and not is_inside(key)}


def _nearest_above(prefix: str, key: str, state: State) -> Any:
    """Find a tensor that stands beside a network, or beside what holds the network."""
    parts = prefix.split(".")[:-1]
    for depth in range(len(parts), -1, -1):
        above = ".".join([*parts[:depth], key])
        if above in state:
            return state[above]
    return None


def _named(networks: Mapping[str, FoundNetwork], wanted: str) -> list[FoundNetwork]:
    exact = [network for name, network in networks.items() if name == wanted]
    # The name may be a part of the way to the network: netB of nets.netB.main.
    return exact or [network for name, network in networks.items() if f".{wanted}." in f".{name}."]
