"""Opening a state like a user's file: the layouts of all built-in families are tried."""

from __future__ import annotations

from functools import cache
from typing import Any

from torch import Tensor

from zoo.checkpoints.layouts import detect_network
from zoo.core.adapter import Adapter
from zoo.plugins import load_plugins

# Architectures that are made of libraries of an extra, which need not be installed: they have tests of their own.
OF_EXTRAS = ("diffusers",)


@cache
def families() -> dict[str, type[Adapter]]:
    """Return the adapter classes of all architectures that need no extra, by name."""
    found = load_plugins().adapters.items()
    return {name: plugin.resolve() for name, plugin in found if name not in OF_EXTRAS}


def opened(
    state: dict[str, Tensor], layout: tuple[str, str], meta: dict[str, Any] | None = None, **config: Any
) -> Adapter:
    """Open a state, and require that only this (family, layout) detects it."""
    found = detect_network(families(), state, meta or {})
    assert (found.family, found.layout.name) == layout
    converted, own_config = found.convert()
    return families()[found.family].load(converted, {**own_config, **config})
