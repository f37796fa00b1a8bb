"""What a file that fits no layout is nearest to, for its error message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from zoo.checkpoints.networks import index_by_last_part, keys_that_end_with
from zoo.core.adapter import Adapter, Layout, State


class _Candidate(NamedTuple):
    """A layout of which a network in the file has required keys; the smallest is the nearest.

    Attributes:
        is_rejected: whether it has all of them, so that the layout's `detect` refused it.
        missing_share: the share of the required keys that is missing.
        name: the layout's name, with that of its family.
        prefix: what stands before the network's keys in the file.
        missing: the missing keys, with the prefix.
    """

    is_rejected: bool
    missing_share: float
    name: str
    prefix: str
    missing: tuple[str, ...]


def describe_nearest(families: Mapping[str, type[Adapter]], state: State) -> str:
    """Describe the layout that comes nearest to a file.

    Args:
        families: the adapters, by name.
        state: the file's tensors, without wrappers.

    Returns:
        A clause that names the layout, and the keys that it also has or that its layers are others; if none is near,
        one that lists the families.
    """
    keys_by_ending = index_by_last_part(state)
    candidates = [
        candidate
        for family, adapter in families.items()
        for layout in adapter.layouts
        if not _is_variant(layout, adapter)
        if (candidate := _candidate(f"{family}/{layout.name}", layout, state, keys_by_ending))
    ]
    if not candidates:
        return f"known are files of {', '.join(sorted(families))}"
    nearest = min(candidates)
    if nearest.is_rejected:
        where = f" under {nearest.prefix.removesuffix('.')}" if nearest.prefix else ""
        return f"it has the keys of {nearest.name}{where}, but other layers or shapes"
    return f"the nearest is {nearest.name}, which also has {', '.join(nearest.missing)}"


def _is_variant(layout: Layout, adapter: type[Adapter]) -> bool:
    """Tell whether a layout requires all keys of another one of the architecture, and more; that one is nearer."""
    required = set(layout.required_keys)
    return any(other.required_keys and required > set(other.required_keys) for other in adapter.layouts)


def _candidate(name: str, layout: Layout, state: State, keys_by_ending: Mapping[str, list[str]]) -> _Candidate | None:
    """Find the prefix under which most required keys of a layout are; None if they are fewer than half."""
    required = layout.required_keys
    prefixes = Counter(found.removesuffix(key) for key in required for found in keys_that_end_with(key, keys_by_ending))
    if not prefixes:
        return None
    prefix, count = max(prefixes.items(), key=lambda item: (item[1], -len(item[0]), item[0]))
    missing = tuple(prefix + key for key in required if prefix + key not in state)
    # One key of several says little: many networks have a 0.weight.
    if missing and (count < 2 or 2 * count < len(required)):
        return None
    return _Candidate(not missing, len(missing) / len(required), name, prefix, missing)
