"""Opening a state as a user's file is opened: every built-in family is asked whether it is of one of its layouts."""

from __future__ import annotations

from functools import cache
from typing import Any

from torch import Tensor

from zoo.checkpoints.layouts import detect_layout
from zoo.core.adapter import Adapter
from zoo.plugins import load_plugins


@cache
def families() -> dict[str, type[Adapter]]:
    """Load the classes of all architectures, by name."""
    return {name: plugin.resolve() for name, plugin in load_plugins().adapters.items()}


def opened(
    state: dict[str, Tensor], layout: tuple[str, str], meta: dict[str, Any] | None = None, **config: Any
) -> Adapter:
    """Open a state that must fit the (family, layout) and no other."""
    family, found = detect_layout(families(), state, meta or {})
    assert (family, found.name) == layout
    converted, told = found.convert(state, meta or {})
    return families()[family].load(converted, {**told, **config})
